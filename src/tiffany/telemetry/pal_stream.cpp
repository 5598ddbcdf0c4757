#include "pal_stream.hpp"

#include <algorithm>
#include <cstring>

namespace tiffany::detail {
namespace {

constexpr std::size_t kCoderTail = 1024;  // what a flush of a coder adds to its bound, at most

pal::WorkerId id_of(const PalWorkers& workers, std::uint16_t index) noexcept {
    return {workers.instance, index};
}

/// The last transition of a worker before the present batch.
std::uint64_t before_batch(const PalWorkerState& state) noexcept {
    return state.batch_from != 0 ? state.batch_from - 1 : state.position;
}

/// What nobody can count where the log ends with the process: threads go on beside exit(). None: nothing is added.
void add_open_workers(const PalWorkers& workers, std::vector<std::string>& uncounted) {
    const auto open =
        std::ranges::count_if(workers.known, [&](const std::uint16_t index) { return workers.state[index].is_open(); });
    if (open == 0) return;
    const bool one = open == 1;
    uncounted.push_back(std::to_string(open) + (one ? " worker was" : " workers were") +
                        " not seen to stop before the log ended (exit() while " + (one ? "it" : "they") +
                        " worked?): what " + (one ? "it" : "they") + " did after that is missing, uncounted");
}

}  // namespace

PalStream::PalStream(const PalStreamNames& names, PalLines& lines, std::size_t kept_bytes, PalCoder* coder)
    : names_{names}, lines_{lines}, kept_bytes_{kept_bytes}, coder_{coder}, kept_{new char[kept_bytes]} {}

void PalStream::begin(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns) noexcept try {
    begun_ = false;
    pal::Begin begin;
    begin.ts_ns = ts_ns;
    begin.tool = names_.tool;
    begin.trace = names_.trace;
    begin.clock = names_.clock;
    begin.catalogue = catalogue::kVersion;
    for (const std::uint16_t index : workers.known) {
        const PalWorkerState& state = workers.state[index];
        const bool missing = behind_ && told_[index] < state.position;
        if (!behind_) told_[index] = before_batch(state);
        if (state.live || missing) begin.first.push_back({id_of(workers, index), told_[index] + 1});
    }
    text_.text.clear();
    writer_.begin(begin);
    writer_.flush();
    const std::uint64_t told = tell_workers(workers, ts_ns, false);
    make_room_for(text_.text.size());
    if (!fits(text_.text.size())) return;
    put(pipe, text_.text);
    records_ = told;
    lost_ = 0;
    lost_others_before_ = workers.lost_others + others_left_out_;
    begun_ = true;
} catch (...) {  // no memory: the next batch tries again
}

/// Each worker that is held, as it was told when it was taken, and where it stands.
/// @param caught_up  at the begin of the present batch; else as far as this stream told
std::uint64_t PalStream::tell_workers(const PalWorkers& workers, std::uint64_t ts_ns, bool caught_up) {
    std::uint64_t told = 0;
    for (const std::uint16_t index : workers.known) {
        const PalWorkerState& state = workers.state[index];
        if (!state.live) continue;
        tiffany_worker_started started = state.started;
        started.seq = caught_up ? std::max(told_[index], before_batch(state)) : told_[index];
        const std::size_t before = text_.text.size();
        text_.text.resize(before + PalLines::kMaxLine);
        char* const from = text_.text.data() + before;
        char* const to =
            lines_.put(from, {EventId::WorkerStarted, ts_ns, reinterpret_cast<const std::byte*>(&started)});
        text_.text.resize(before + static_cast<std::size_t>(to - from));
        ++told;
    }
    return told;
}

/// After something was left out: tells the gaps before this batch, and again who the workers are, for that may have
/// been among it. Returns false if there is still no room for that and for `more` bytes.
bool PalStream::catch_up(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns, std::size_t more) noexcept try {
    text_.text.clear();
    std::uint64_t lost = 0;
    for (const std::uint16_t index : workers.known) {
        const std::uint64_t to = before_batch(workers.state[index]);
        if (told_[index] >= to) continue;
        pal::Gap gap;
        gap.ts_ns = ts_ns;
        gap.worker = id_of(workers, index);
        gap.from_seq = told_[index] + 1;
        gap.to_seq = to;
        gap.lost = to - told_[index];
        writer_.gap(gap);
        lost += gap.lost;
    }
    writer_.flush();
    const std::uint64_t told = tell_workers(workers, ts_ns, true);
    make_room_for(text_.text.size() + more);
    if (!fits(text_.text.size() + more)) return false;
    put(pipe, text_.text);
    for (const std::uint16_t index : workers.known)
        told_[index] = std::max(told_[index], before_batch(workers.state[index]));
    records_ += told;
    lost_ += lost;
    behind_ = false;
    return true;
} catch (...) {
    return false;
}

void PalStream::take(PalPipe& pipe, const PalBatch& batch, const PalWorkers& workers) noexcept {
    write_kept(pipe);
    if (!begun_) begin(pipe, workers, batch.first_ts_ns);
    const bool room = !begun_   ? false
                      : behind_ ? catch_up(pipe, workers, batch.first_ts_ns, batch.lines.size())
                                : fits(batch.lines.size());
    if (!room) return leave_out(batch);
    for (const std::uint16_t index : workers.touched)
        told_[index] = workers.state[index].position;
    records_ += batch.records;
    lost_ += batch.lost;
    put(pipe, batch.lines);
}

void PalStream::leave_out(const PalBatch& batch) noexcept {
    behind_ = true;
    left_out_ += batch.transitions;
    others_left_out_ += batch.records - batch.transitions;
}

void PalStream::tell_left_out(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!behind_) return;
    if (!begun_) begin(pipe, workers, ts_ns);
    if (begun_) catch_up(pipe, workers, ts_ns, 0);
}

bool PalStream::retry(PalPipe& pipe) noexcept {
    write_kept(pipe);
    return empty();
}

void PalStream::flush(PalPipe& pipe) noexcept {
    write_kept(pipe);
    if (coder_ == nullptr) return;
    const std::size_t most = coder_->bound(0) + kCoderTail;
    char* const out = room(most);
    if (out == nullptr) return;
    kept_to_ += coder_->flush(false, out, most);
    write_kept(pipe);
}

bool PalStream::end(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns, EndOf of) noexcept try {
    write_kept(pipe);
    if (!begun_) begin(pipe, workers, ts_ns);
    if (!begun_) return false;
    if (behind_ && !catch_up(pipe, workers, ts_ns, 0)) return false;
    text_.text.clear();
    pal::End end;
    end.ts_ns = ts_ns;
    end.records = records_;
    end.lost = lost_;
    end.lost_others = workers.lost_others + others_left_out_ - lost_others_before_;
    if (of == EndOf::process) add_open_workers(workers, end.uncounted);
    writer_.end(end);
    if (!fits(text_.text.size())) return false;
    put(pipe, text_.text);
    if (coder_ != nullptr) {
        const std::size_t most = coder_->bound(0) + kCoderTail;
        char* const out = room(most);
        if (out == nullptr) return false;
        kept_to_ += coder_->flush(true, out, most);
        write_kept(pipe);
    }
    return true;
} catch (...) {
    return false;
}

// ---- bytes ----

bool PalStream::fits(std::size_t bytes) const noexcept {
    // with a coder: and then still what flushes it
    const std::size_t most = coder_ != nullptr ? 2 * coder_->bound(bytes) + kCoderTail : bytes;
    return kept() + most <= kept_bytes_;
}

/// Nearly empty, so many bytes fit. Errors: std::bad_alloc.
void PalStream::make_room_for(std::size_t bytes) {
    const std::size_t least = 2 * (coder_ != nullptr ? 2 * coder_->bound(bytes) + kCoderTail : bytes);
    if (least <= kept_bytes_) return;
    std::unique_ptr<char[]> larger{new char[least]};
    std::copy_n(kept_.get() + kept_from_, kept(), larger.get());
    kept_to_ -= kept_from_;
    kept_from_ = 0;
    kept_ = std::move(larger);
    kept_bytes_ = least;
}

/// What fits().
void PalStream::put(PalPipe& pipe, std::string_view bytes) noexcept {
    if (coder_ == nullptr) return put_raw(pipe, bytes);
    const std::size_t most = coder_->bound(bytes.size());
    char* const out = room(most);
    if (out == nullptr) return;
    kept_to_ += coder_->code(bytes, out, most);
    write_kept(pipe);
}

void PalStream::put_raw(PalPipe& pipe, std::string_view bytes) noexcept {
    if (empty()) {
        const std::size_t taken = pipe.write(bytes);
        written_ += taken;
        bytes.remove_prefix(taken);
    }
    if (bytes.empty()) return;
    std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    kept_to_ += bytes.size();
}

void PalStream::write_kept(PalPipe& pipe) noexcept {
    if (empty()) return;
    const std::size_t taken = pipe.write({kept_.get() + kept_from_, kept()});
    written_ += taken;
    kept_from_ += taken;
    if (empty()) kept_from_ = kept_to_ = 0;
}

/// So many bytes behind what is kept; null if there are not so many.
char* PalStream::room(std::size_t bytes) noexcept {
    if (kept() + bytes > kept_bytes_) return nullptr;
    if (kept_bytes_ - kept_to_ < bytes) {
        std::memmove(kept_.get(), kept_.get() + kept_from_, kept());
        kept_to_ -= kept_from_;
        kept_from_ = 0;
    }
    return kept_.get() + kept_to_;
}

}  // namespace tiffany::detail
