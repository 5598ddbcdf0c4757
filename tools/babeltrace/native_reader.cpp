#include "native_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "stream_file.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

std::vector<StreamFiles> streams_of(const std::string& directory, const TraceLayout& trace,
                                    const std::vector<StreamEnd>& cut, const std::function<void()>& on_progress) try {
    return find_streams(directory, trace, cut, on_progress);
} catch (const std::filesystem::filesystem_error& error) {
    throw NotPlain{error.what()};
}

}  // namespace

NativeReader::NativeReader(const std::string& directory, const CheckedFiles& checked, bool ticks, RecordPool& pool,
                           const std::function<void()>& on_progress)
    : trace_{lay_out(tsdl::parse(checked.metadata), ticks)} {
    for (StreamFiles& files : streams_of(directory, trace_, checked.cut, on_progress))
        streams_.push_back(std::make_unique<StreamReader>(trace_, std::move(files), pids_, pool.fresh(), on_progress));
}

NativeReader::~NativeReader() = default;

/// Of one time first those of the stream class, then of the stream with the lesser number, as babeltrace2's muxer has
/// it.
bool NativeReader::is_earlier(const Head& a, const Head& b) {
    return a.ns != b.ns ? a.ns < b.ns : a.rank < b.rank;
}

void NativeReader::begin(FrameHandler& handler) {
    if (!streams_.empty()) handler.facts(trace_.facts);
    for (std::size_t rank = 0; rank < streams_.size(); ++rank)
        if (streams_[rank]->next() != Item::end) others_.push_back({streams_[rank]->ns(), rank});
    std::ranges::sort(others_, is_earlier);  // which is a heap, too
    present_ = nullptr;
    if (others_.empty()) return;
    const Head first = others_.front();
    drop_first();
    become_present(first);
}

void NativeReader::become_present(const Head& head) {
    rank_ = head.rank;
    present_ = streams_[rank_].get();
    until_ns_ = others_.empty() ? kForEver : others_.front().ns + (rank_ < others_.front().rank ? 1 : 0);
}

/// Puts a head in the place of the first, and then where it belongs.
void NativeReader::sink(const Head& head) {
    std::size_t place = 0;
    for (std::size_t child = 1; child < others_.size(); child = 2 * place + 1) {
        if (child + 1 < others_.size() && is_earlier(others_[child + 1], others_[child])) ++child;
        if (is_earlier(head, others_[child])) break;
        others_[place] = others_[child];
        place = child;
    }
    others_[place] = head;
}

void NativeReader::drop_first() {
    const Head last = others_.back();
    others_.pop_back();
    if (!others_.empty()) sink(last);
}

/// Sees to it that the present stream is the one whose item is the next of the trace. Each stream's next one is known
/// before another stream's is given. Returns false at the end.
bool NativeReader::choose() {
    const bool ended = present_->item() == Item::end;
    if (!ended && present_->ns() < until_ns_) return true;
    if (others_.empty()) return !ended;
    const Head first = others_.front();
    if (ended)
        drop_first();
    else
        sink({present_->ns(), rank_});
    become_present(first);
    return true;
}

bool NativeReader::next(RecordBatch& batch, FrameHandler& handler) {
    if (not_plain_) throw NotPlain{*not_plain_};
    if (!begun_) {
        begun_ = true;
        begin(handler);
    }
    try {
        while (present_ != nullptr && !batch.full() && choose()) {
            if (present_->item() == Item::event) {
                present_->take(batch, until_ns_);
                continue;
            }
            if (!batch.empty()) return true;  // it comes before the next event
            handler.discarded(present_->discarded());
            present_->next();
        }
    } catch (const NotPlain& not_plain) {
        if (batch.empty()) throw;
        not_plain_ = not_plain;  // what was read by then is given first
    }
    if (batch.empty()) finish(handler);
    return !batch.empty();
}

void NativeReader::finish(FrameHandler& handler) const {
    Counts events;
    Counts fields;
    trace_.add_unknown(events, fields);
    handler.unknown(events, fields);
    if (const std::uint64_t ticks = trace_.ticks_left_out(); ticks != 0) handler.left_out(ticks);
}

}  // namespace tiffany::ctf
