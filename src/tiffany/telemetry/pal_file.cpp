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

namespace tiffany::detail {
namespace {

constexpr int kLevel = 1;
constexpr std::size_t kMostBatch = std::size_t{256} << 10;
constexpr std::size_t kEndBytes = 4096;  // kept free for what ends a file

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
    open(problem);
}

PalFile::~PalFile() {
    if (is_stderr_) file_.release();
}

void PalFile::open(NameProblem& problem) {
    if (is_stderr_) {
        name_ = place_.name;
        file_ = Descriptor{STDERR_FILENO};
        return;
    }
    const FileName asked{place_.name};
    const std::string pid = "." + std::to_string(place_.pid);
    for (int attempt = place_.add_pid ? 1 : 0; attempt <= kMoreNames; ++attempt) {
        const std::string added = attempt == 0 ? "" : attempt == 1 ? pid : pid + "-" + std::to_string(attempt);
        const std::string older = asked.with(added + ".1");
        problem = {};
        name_ = asked.with(added);
        file_ = take_file(name_, older, problem);
        if (file_.is_open()) {
            struct stat found {};
            if (fstat(file_.get(), &found) == 0 && S_ISREG(found.st_mode)) older_ = older;
            raise(counters_->files, 1);
            return;
        }
        if (problem.problem != PalProblem::in_use) return;
    }
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
    if (!std::exchange(begun_, true)) {
        stream_.begin(*this, workers, batch.first_ts_ns);
    } else if (ending_ || is_full_with(batch.lines.size())) {
        turn_over(workers, batch.first_ts_ns);
    }
    if (ending_)
        stream_.leave_out(batch);
    else
        stream_.take(*this, batch, workers);
    count();
}

void PalFile::turn_over(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!ending_) ending_ = stream_.end(*this, workers, ts_ns);
    // while the disk takes nothing, what is kept belongs to this file
    if (!ending_ || !stream_.retry(*this) || !begin_anew()) return;
    ending_ = false;
    begun_at_ = stream_.written();
    stream_.begin(*this, workers, ts_ns);
}

/// The full file gets its other name, and a new one takes its place.
bool PalFile::begin_anew() noexcept try {
    const std::lock_guard lock{mutex_};
    NameProblem problem;
    if (may_replace(older_, problem) &&
        (!is_named(file_.get(), name_) || std::rename(name_.c_str(), older_.c_str()) == 0)) {
        Descriptor full = std::move(file_);  // locked until there is a new one
        open(problem);
        if (file_.is_open()) return true;
        file_ = std::move(full);
    }
    counters_->error.store(problem.error != 0 ? problem.error : errno, std::memory_order_relaxed);
    // it cannot be renamed, or nothing can be made in its place: then this file begins once more
    if (ftruncate(file_.get(), 0) != 0 || lseek(file_.get(), 0, SEEK_SET) != 0) return false;
    raise(counters_->files, 1);
    return true;
} catch (...) {
    return false;
}

void PalFile::tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!begun_ && ts_ns == 0) return;
    if (!std::exchange(begun_, true)) stream_.begin(*this, workers, ts_ns);
    if (ending_)
        stream_.retry(*this);
    else
        stream_.flush(*this);
    count();
}

void PalFile::end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept {
    if (!begun_) stream_.begin(*this, workers, ts_ns);
    if (ending_)
        stream_.retry(*this);
    else
        stream_.end(*this, workers, ts_ns);
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
