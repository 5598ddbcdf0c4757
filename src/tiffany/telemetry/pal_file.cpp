#include "pal_file.hpp"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <new>
#include <utility>

#include "kernel_time.hpp"
#include "process.hpp"
#include "setting_values.hpp"

namespace tiffany::detail {
namespace {

constexpr int kLevel = 1;
constexpr std::size_t kMostBatch = std::size_t{256} << 10;
constexpr std::size_t kEndBytes = 4096;  // kept free for what ends a file
constexpr std::uint64_t kLongestPauseNs = 3'600'000'000'000;
constexpr std::uint64_t kDumpEndsNs = 60'000'000'000;

/// Whether a file's name cannot be given to another, now or later.
bool stays_where_it_is(const NameProblem& why) noexcept {
    switch (why.problem) {
        case PalProblem::symbolic_link:
        case PalProblem::not_a_log:
            return true;
        case PalProblem::refused:  // EBUSY: something is mounted there
            return why.error == EPERM || why.error == EACCES || why.error == EROFS || why.error == EBUSY;
        default:
            return false;
    }
}

}  // namespace

class PalFile::Zstd : public PalCoder {
  public:
    Zstd() : context_{ZSTD_createCCtx(), ZSTD_freeCCtx} {
        if (context_ == nullptr) throw std::bad_alloc{};
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
        ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
        // its tables are allocated at the first use: here, where it may fail
        std::array<char, 256> nowhere{};
        ZSTD_inBuffer in{"", 0, 0};
        ZSTD_outBuffer out{nowhere.data(), nowhere.size(), 0};
        if (ZSTD_compressStream2(context_.get(), &out, &in, ZSTD_e_flush) != 0) throw std::bad_alloc{};
        ZSTD_CCtx_reset(context_.get(), ZSTD_reset_session_only);
    }

    // what waits in the context, a block at most, comes out with what goes in
    std::size_t bound(std::size_t bytes) const noexcept override {
        return ZSTD_compressBound(bytes + ZSTD_BLOCKSIZE_MAX) + ZSTD_CStreamOutSize();
    }
    std::size_t code(std::string_view bytes, char* out, std::size_t out_bytes) noexcept override {
        return run(bytes, ZSTD_e_continue, out, out_bytes);
    }
    std::size_t flush(bool last, char* out, std::size_t out_bytes) noexcept override {
        return run({}, last ? ZSTD_e_end : ZSTD_e_flush, out, out_bytes);
    }

  private:
    std::size_t run(std::string_view bytes, ZSTD_EndDirective directive, char* out, std::size_t out_bytes) noexcept {
        ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
        ZSTD_outBuffer to{out, out_bytes, 0};
        for (;;) {
            const std::size_t left = ZSTD_compressStream2(context_.get(), &to, &in, directive);
            if (ZSTD_isError(left) != 0 || to.pos == to.size) break;
            if (in.pos == in.size && (directive == ZSTD_e_continue || left == 0)) break;
        }
        return to.pos;
    }

    std::unique_ptr<ZSTD_CCtx, std::size_t (*)(ZSTD_CCtx*)> context_;
};

PalFile::PalFile(const Place& place, const PalStreamNames& names, std::shared_ptr<PalLines> lines,
                 std::shared_ptr<LogCounters> counters, NameProblem& problem)
    : place_{place},
      batch_bytes_{std::min<std::size_t>(kMostBatch, place.max_bytes / 8)},
      names_{names},
      lines_{std::move(lines)},
      counters_{std::move(counters)},
      is_stderr_{place.name == "-"},
      zstd_{FileName{place.name}.is_compressed() ? std::make_unique<Zstd>() : nullptr},
      stream_{names_, *lines_, kKeptBytes, zstd_.get()} {
    if (!is_stderr_) {
        open(place.add_pid ? 1 : 0, problem);
        return;
    }
    file_ = Descriptor{STDERR_FILENO};
    counters_->set_where(place.name);
}

PalFile::~PalFile() {
    if (is_stderr_) file_.release();
}

/// Takes the first name that is free, beginning with that attempt. Without one everything is as before.
bool PalFile::open(int attempt, NameProblem& problem) {
    const FileName asked{place_.name};
    const std::string pid = "." + std::to_string(place_.pid);
    for (; attempt <= kMoreNames; ++attempt) {
        const std::string added = attempt == 0 ? "" : attempt == 1 ? pid : pid + "-" + std::to_string(attempt);
        std::string name = asked.with(added);
        std::string older = asked.with(added + kOlderEnding);
        problem = {};
        Descriptor made = take_file(name, older, problem);
        if (made.is_open()) {
            struct stat found {};
            const bool regular = fstat(made.get(), &found) == 0 && S_ISREG(found.st_mode);
            counters_->set_where(name);
            attempt_ = attempt;
            name_ = std::move(name);
            older_ = regular ? std::move(older) : "";
            file_ = std::move(made);
            raise(counters_->files, 1);
            return true;
        }
        if (problem.problem != PalProblem::in_use) return false;
    }
    return false;
}

std::size_t PalFile::write(std::string_view bytes) noexcept {
    const std::size_t all = bytes.size();
    if (!file_.is_ours()) {
        counters_->error.store(EBADF, std::memory_order_relaxed);
        return 0;
    }
    while (!bytes.empty()) {
        const ssize_t written = ::write(file_.get(), bytes.data(), bytes.size());
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) {
            counters_->error.store(written < 0 ? errno : EIO, std::memory_order_relaxed);
            return all - bytes.size();
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    counters_->error.store(0, std::memory_order_relaxed);
    return all;
}

bool PalFile::is_full_with(std::size_t bytes) const noexcept {
    if (older_.empty()) return false;
    // lines become about a tenth: a file that is compressed may be a little longer than it should
    const std::uint64_t more = zstd_ != nullptr ? bytes / 8 : bytes;
    return stream_.written() - begun_at_ + stream_.kept() + more + kEndBytes > place_.max_bytes;
}

void PalFile::take(const PalBatch& batch, const PalWorkers& workers) noexcept {
    bool room = true;
    if (!std::exchange(begun_, true)) {
        stream_.begin(*this, workers, batch.first_ts_ns);
    } else if (ending_ || is_full_with(batch.lines.size())) {
        filled_by_dump_ = is_filled_by_a_dump(batch);
        room = turn_over(workers, batch.first_ts_ns);
    }
    if (room)
        stream_.take(*this, batch, workers);
    else
        stream_.leave_out(batch);
    records_ += batch.records;
    states_ += batch.states;
    count();
}

/// Most of it is of a state dump that goes on.
bool PalFile::is_filled_by_a_dump(const PalBatch& batch) const noexcept {
    return batch.states != 0 && 2 * states_ >= records_;
}

/// Returns whether there is a file for what comes next.
bool PalFile::turn_over(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    // what is kept belongs to this file, and while the disk takes nothing more is lost: then End must not be told yet
    if (!stream_.retry(*this)) return false;
    if (!ending_) ending_ = stream_.end(*this, workers, ts_ns, EndOf::file);
    return ending_ && stream_.retry(*this) && begin_next(workers, ts_ns);
}

/// After End.
bool PalFile::begin_next(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!begin_anew()) return false;
    ending_ = false;
    begun_at_ = stream_.written();
    stream_.begin(*this, workers, ts_ns);
    want_tasks();
    return true;
}

/// A file that began in the middle of the run shall tell of the tasks and groups that live. But where a dump has filled
/// the file before, another one would fill this one, too, and so on for ever: no file holds it. The longer it is until
/// the next is asked for, the less it takes the place of what happens.
void PalFile::want_tasks() noexcept {
    if (!filled_by_dump_) {
        if (!overflowed_) ask_pause_ns_ = kAskForTasksNs;
        tasks_wanted_ns_ = coarse_kernel_ns();
    } else {
        tasks_wanted_ns_ = 0;
        if (!std::exchange(overflowed_, true)) ask_pause_ns_ = std::min(2 * ask_pause_ns_, kLongestPauseNs);
    }
    filled_by_dump_ = false;
    records_ = states_ = 0;
}

bool PalFile::begin_anew() noexcept try {
    const std::lock_guard lock{mutex_};
    NameProblem problem;
    if (replace_full(problem)) return true;
    counters_->error.store(problem.error != 0 ? problem.error : EEXIST, std::memory_order_relaxed);
    if (!stays_where_it_is(problem))
        return false;  // another time, perhaps: what is there is worth more than what comes
    if (ftruncate(file_.get(), 0) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0) return false;
    raise(counters_->files, 1);
    return true;
} catch (...) {
    return false;
}

/// The full file gets its other name, and a new one takes its place. If that cannot be, `problem` says why the full
/// file's name stays; none: there was no new one to be had.
bool PalFile::replace_full(NameProblem& problem) {
    const bool moved_before = is_named(file_.get(), older_);
    const bool may = moved_before || may_replace(older_, problem);
    const bool in_use = problem.problem == PalProblem::in_use;  // the name beside ours is somebody's: we take others
    if (!may && !in_use) return false;
    const std::string name = name_;
    const std::string older = older_;
    const bool moves = may && is_named(file_.get(), name);
    if (moves && std::rename(name.c_str(), older.c_str()) != 0) {
        problem = {PalProblem::refused, errno};
        return false;
    }
    // the full one is locked until there is a new one
    if (open(in_use ? attempt_ + 1 : attempt_, problem)) return true;
    if (moves) rename_unless_there(older, name);
    problem.problem = PalProblem::none;
    return false;
}

/// It cannot be followed by another file, which would tell what it lacks: it must look cut, not whole.
void PalFile::take_back_end() noexcept {
    struct stat found {};
    if (older_.empty() || !file_.is_ours() || fstat(file_.get(), &found) != 0) return;
    // the end of the line, or of the checksum
    constexpr off_t kCut = 2;
    if (found.st_size > kCut && ftruncate(file_.get(), found.st_size - kCut) != 0)
        counters_->error.store(errno, std::memory_order_relaxed);
}

void PalFile::ask_for_tasks() noexcept {
    if (tasks_wanted_ns_ == 0) return;
    const std::uint64_t now_ns = coarse_kernel_ns();
    if (tasks_asked_ns_ != 0 && now_ns - tasks_asked_ns_ < ask_pause_ns_) return;
    Process& process = Process::get();
    // one whose worker was given back, with nobody there to go on, never ends
    if (now_ns - tasks_wanted_ns_ < kDumpEndsNs && process.is_dumping()) return;
    tasks_wanted_ns_ = 0;
    tasks_asked_ns_ = now_ns;
    overflowed_ = false;
    process.bump();
}

void PalFile::tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!begun_ && ts_ns == 0) return;
    if (!std::exchange(begun_, true)) stream_.begin(*this, workers, ts_ns);
    if (stream_.retry(*this) && stream_.is_behind() && (!ending_ || begin_next(workers, ts_ns)))
        stream_.tell_left_out(*this, workers, ts_ns);
    if (!ending_) stream_.flush(*this);
    ask_for_tasks();
    count();
}

void PalFile::end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!begun_) stream_.begin(*this, workers, ts_ns);
    if (!ending_) {
        stream_.end(*this, workers, ts_ns, EndOf::process);
    } else if (const bool whole = stream_.retry(*this); stream_.is_behind()) {
        if (whole && begin_next(workers, ts_ns))
            stream_.end(*this, workers, ts_ns, EndOf::process);
        else
            take_back_end();
    }
    count();
    const std::lock_guard lock{mutex_};
    if (is_stderr_) file_.release();
    file_.close();
}

void PalFile::count() noexcept {
    set(counters_->bytes, stream_.written());
    set(counters_->left_out, stream_.left_out());
    set(counters_->left_out_others, stream_.others_left_out());
}

void PalFile::become_child() noexcept {
    if (is_stderr_) file_.release();
    file_.close();
}

}  // namespace tiffany::detail
