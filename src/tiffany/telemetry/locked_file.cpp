#include "locked_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace tiffany::detail {
namespace {

constexpr int kAttempts = 16;  // others may rename what we look at
constexpr mode_t kMode = 0600;
constexpr int kFlags = O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK;

NameProblem refused() noexcept {
    return {errno == ELOOP ? PalProblem::symbolic_link : PalProblem::refused, errno};
}

enum class Content { empty, log, other };

Content content_of(int fd) noexcept {
    std::array<char, 6> front{};
    const ssize_t bytes = pread(fd, front.data(), front.size(), 0);
    if (bytes == 0) return Content::empty;
    constexpr std::string_view kPlain = "{\"v\":1";
    constexpr std::string_view kZstd = "\x28\xB5\x2F\xFD";
    const std::string_view found{front.data(), bytes < 0 ? 0 : static_cast<std::size_t>(bytes)};
    const bool log = found == kPlain || found.substr(0, kZstd.size()) == kZstd;
    return log ? Content::log : Content::other;
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

FileName::FileName(std::string_view name) : stem_{name} {
    constexpr std::string_view kZst = ".zst";
    if (name.size() <= kZst.size() || name.substr(name.size() - kZst.size()) != kZst) return;
    stem_.resize(name.size() - kZst.size());
    ending_ = kZst;
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
    struct stat found {};
    if (fstat(there.get(), &found) == 0 && S_ISREG(found.st_mode) && content_of(there.get()) != Content::other)
        return true;
    problem = {PalProblem::not_a_log, 0};
    return false;
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
        if (is_named(file.get(), name)) return file;  // else who had it has removed it meanwhile
    }
    problem = {PalProblem::in_use, EAGAIN};
    return {};
}

}  // namespace tiffany::detail
