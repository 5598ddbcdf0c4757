#include "locked_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <string_view>
#include <utility>

namespace tiffany::detail {
namespace {

constexpr int kAttempts = 16;  // others may rename what we look at
constexpr mode_t kMode = 0600;
constexpr std::size_t kFront = 128;                            // more than a log's first line needs to be known
constexpr std::size_t kFirstBlock = ZSTD_BLOCKSIZE_MAX + 256;  // with what is before it
constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

NameProblem refused() noexcept {
    return {errno == ELOOP ? PalProblem::symbolic_link : PalProblem::refused, errno};
}

enum class Content { empty, log, other };

/// Whether a log's first line begins so: as pal::LogWriter writes Begin. Also what a full disk left of it.
bool begins_a_log(std::string_view found) noexcept {
    constexpr std::string_view kVersion = R"({"v":1,)";
    constexpr std::string_view kTime = R"("ts":"dddd-dd-ddTdd:dd:dd.dddddddddZ",)";  // d: a digit
    constexpr std::string_view kBegin = R"("event":"Begin")";
    const auto is_like = [](std::string_view text, std::string_view pattern) {
        return std::equal(text.begin(), text.end(), pattern.begin(), [](char byte, char wanted) {
            return wanted == 'd' ? byte >= '0' && byte <= '9' : byte == wanted;
        });
    };
    if (found.substr(0, kVersion.size()) != kVersion) return false;
    found.remove_prefix(kVersion.size());
    if (found.size() <= kTime.size()) return is_like(found, kTime) || found.substr(0, kBegin.size()) == kBegin;
    if (is_like(found.substr(0, kTime.size()), kTime)) found.remove_prefix(kTime.size());
    return found.substr(0, kBegin.size()) == kBegin.substr(0, found.size());
}

/// The first bytes of what was compressed; empty if it is not that, or cut in its first block. Returns false if there
/// is no memory.
bool decompress(std::string_view packed, std::array<char, kFront>& out, std::string_view& front) noexcept {
    const std::unique_ptr<ZSTD_DCtx, std::size_t (*)(ZSTD_DCtx*)> context{ZSTD_createDCtx(), ZSTD_freeDCtx};
    if (context == nullptr) return false;
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    while (to.pos < to.size && in.pos < in.size) {
        const std::size_t from = in.pos + to.pos;
        if (ZSTD_isError(ZSTD_decompressStream(context.get(), &to, &in)) != 0 || in.pos + to.pos == from) break;
    }
    front = {out.data(), to.pos};
    return true;
}

Content content_of(int fd) noexcept {
    struct stat found {};
    if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return Content::other;
    // a stranger's empty file may mean something to the stranger
    if (found.st_size == 0) return found.st_uid == geteuid() ? Content::empty : Content::other;
    const std::unique_ptr<char[]> read{new (std::nothrow) char[kFirstBlock]};
    if (read == nullptr) return Content::other;
    const ssize_t bytes = pread(fd, read.get(), kFirstBlock, 0);
    if (bytes <= 0) return Content::other;
    std::string_view front{read.get(), static_cast<std::size_t>(bytes)};
    constexpr std::string_view kZstd = "\x28\xB5\x2F\xFD";
    std::array<char, kFront> plain{};
    if (front.substr(0, kZstd.size()) == kZstd && !decompress(front, plain, front)) return Content::other;
    return begins_a_log(front.substr(0, kFront)) ? Content::log : Content::other;
}

bool lock(int fd, NameProblem& problem) noexcept {
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) return true;
    problem = {errno == EWOULDBLOCK ? PalProblem::in_use : PalProblem::refused, errno};
    return false;
}

/// What has that name already goes out of the way. Returns whether the name is free, or worth another try.
bool clear_name(const std::string& name, const std::string& older, NameProblem& problem) {
    const Descriptor there{open(name.c_str(), O_RDWR | kFlags)};
    if (!there.is_open()) {
        if (errno == ENOENT) return true;
        problem = refused();
        return false;
    }
    if (!lock(there.get(), problem)) return false;
    if (!is_named(there.get(), name)) return true;  // renamed meanwhile: look again
    const Content content = content_of(there.get());
    if (content == Content::other) {
        problem = {PalProblem::not_a_log, 0};
        return false;
    }
    const int done = content == Content::empty ? unlink(name.c_str()) : rename(name.c_str(), older.c_str());
    if (done != 0) problem = refused();
    return done == 0;
}

}  // namespace

Descriptor::Descriptor(int fd) noexcept : fd_{fd} {
    struct stat found {};
    if (fd_ < 0 || fstat(fd_, &found) != 0) return;
    device_ = found.st_dev;
    inode_ = found.st_ino;
}

Descriptor::Descriptor(Descriptor&& other) noexcept : device_{other.device_}, inode_{other.inode_} {
    fd_ = other.release();
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
    if (this == &other) return *this;
    if (is_ours()) ::close(fd_);
    device_ = other.device_;
    inode_ = other.inode_;
    fd_ = other.release();
    return *this;
}

Descriptor::~Descriptor() {
    if (is_ours()) ::close(fd_);
}

bool Descriptor::is_ours() noexcept {
    struct stat found {};
    if (fd_ < 0) return false;
    if (fstat(fd_, &found) == 0 && found.st_dev == device_ && found.st_ino == inode_) return true;
    fd_ = -1;
    return false;
}

int Descriptor::release() noexcept {
    return std::exchange(fd_, -1);
}

bool is_named(int fd, const std::string& name) noexcept {
    struct stat open_one {};
    struct stat named {};
    return fstat(fd, &open_one) == 0 && lstat(name.c_str(), &named) == 0 && open_one.st_dev == named.st_dev &&
           open_one.st_ino == named.st_ino;
}

bool may_replace(const std::string& name, NameProblem& problem) noexcept {
    const Descriptor there{open(name.c_str(), O_RDONLY | kFlags)};
    if (!there.is_open()) {
        if (errno == ENOENT) return true;
        problem = refused();
        return false;
    }
    if (content_of(there.get()) == Content::other) {
        problem = {PalProblem::not_a_log, 0};
        return false;
    }
    return lock(there.get(), problem);
}

void rename_unless_there(const std::string& from, const std::string& to) noexcept {
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) return;
    if (errno != EINVAL && errno != ENOSYS) return;
    // a file system that has no such call
    struct stat there {};
    if (lstat(to.c_str(), &there) != 0 && errno == ENOENT) std::rename(from.c_str(), to.c_str());
}

Descriptor take_file(const std::string& name, const std::string& older, NameProblem& problem) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        Descriptor made{open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | kFlags, kMode)};
        if (made.is_open()) {
            // between the two calls another process may have come
            if (!lock(made.get(), problem)) return {};
            if (is_named(made.get(), name)) return made;
            continue;
        }
        if (errno != EEXIST) {
            problem = refused();
            return {};
        }
        struct stat found {};
        if (lstat(name.c_str(), &found) != 0) continue;
        if (!S_ISREG(found.st_mode)) {
            Descriptor special{open(name.c_str(), O_WRONLY | kFlags)};
            if (!special.is_open()) problem = refused();
            return special;
        }
        if (!may_replace(older, problem) || !clear_name(name, older, problem)) return {};
    }
    problem = {PalProblem::in_use, EEXIST};
    return {};
}

Descriptor take_lock_file(const std::string& name, NameProblem& problem) {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        Descriptor file{open(name.c_str(), O_RDWR | O_CREAT | kFlags, kMode)};
        if (!file.is_open()) {
            problem = refused();
            return {};
        }
        if (!lock(file.get(), problem)) return {};
        struct stat found {};
        if (fstat(file.get(), &found) == 0 && (!S_ISREG(found.st_mode) || found.st_size != 0)) {
            problem = {PalProblem::not_a_log, 0};  // it is somebody's, and would be removed at the end
            return {};
        }
        if (is_named(file.get(), name)) return file;  // else who had it has removed it meanwhile
    }
    problem = {PalProblem::in_use, EAGAIN};
    return {};
}

}  // namespace tiffany::detail
