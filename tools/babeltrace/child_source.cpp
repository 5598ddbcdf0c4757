#include "child_source.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tiffany::ctf {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif
#else
constexpr bool kSanitized = false;
#endif

constexpr rlim_t kMaxAddressSpace = rlim_t{8} << 30;  // a real trace takes about 100 MiB

/// What else the parent has open, the log that it writes among it, which its standard output may be, is none of the
/// decoder's business; nor is the terminal that the standard error may be.
/// @return  the pipe's descriptor from now on
int keep_only(int pipe, int input) {
    constexpr int kFirst = STDERR_FILENO + 1;
    const int place = input == kFirst ? kFirst + 1 : kFirst;
    if (pipe != place) ::dup2(pipe, place);
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (standard != input && standard != nothing && !(kSanitized && standard == STDERR_FILENO))
            ::dup2(nothing, standard);
    const int last = std::max(place, input);
    for (int fd = kFirst; fd < last; ++fd)
        if (fd != place && fd != input) ::close(fd);
    ::closefrom(last + 1);
    return place;
}

[[noreturn]] void run_child(int fd, int input, pid_t parent, const std::function<void(FrameWriter&)>& work) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);  // it died before it could be watched
    std::signal(SIGPIPE, SIG_IGN);
    if (!kSanitized) {  // sanitizers reserve terabytes of address space, and tell what they find
        const rlimit limit{kMaxAddressSpace, kMaxAddressSpace};
        ::setrlimit(RLIMIT_AS, &limit);
    }
    FrameWriter writer{keep_only(fd, input)};
    try {
        try {
            work(writer);
            writer.finished();
        } catch (const Error& error) {
            writer.failed(error);
        } catch (const std::exception& error) {
            writer.failed(Error{ErrorKind::system, std::string{"cannot decode: "} + error.what()});
        }
    } catch (...) {  // nobody reads any more
        ::_exit(1);
    }
    ::_exit(0);  // not exit: buffers and handlers are the parent's
}

}  // namespace

ChildSource::ChildSource(std::string name, const std::function<void(FrameWriter&)>& work,
                         std::chrono::milliseconds patience, int input)
    : name_{std::move(name)}, patience_{patience} {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0)
        throw Error{ErrorKind::system, "cannot read " + name_ + ": no pipe for its decoder: " + std::strerror(errno)};
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ < 0) {
        const int cause = errno;
        ::close(ends[0]);
        ::close(ends[1]);
        throw Error{ErrorKind::system,
                    "cannot read " + name_ + ": no process for its decoder: " + std::strerror(cause)};
    }
    if (pid_ == 0) {
        ::close(ends[0]);
        run_child(ends[1], input, parent, work);
    }
    ::close(ends[1]);
    fd_ = ends[0];
    constexpr int kPipeBytes = 512 * 1024;   // both ends then run side by side for longer;
    ::fcntl(fd_, F_SETPIPE_SZ, kPipeBytes);  // where that is refused it stays at 64 KiB
}

ChildSource::~ChildSource() {
    if (fd_ >= 0) ::close(fd_);
    if (pid_ > 0) {
        ::kill(pid_, SIGKILL);
        while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
}

std::string ChildSource::how_it_ended() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    if (WIFSIGNALED(status))
        return "its decoder was killed by signal " + std::to_string(WTERMSIG(status)) + " (" +
               ::strsignal(WTERMSIG(status)) + ")";
    return "its decoder ended before its time";
}

void ChildSource::receive() {
    if (at_ != 0) {
        std::memmove(buffer_.data(), buffer_.data() + at_, filled_ - at_);
        filled_ -= at_;
        at_ = 0;
    }
    constexpr std::size_t kAtOnce = 64 * 1024;
    if (buffer_.size() - filled_ < kAtOnce) buffer_.resize(std::max(filled_ + kAtOnce, 2 * buffer_.size()));
    const auto deadline = std::chrono::steady_clock::now() + patience_;
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()).count();
        pollfd ready{fd_, POLLIN, 0};
        // however late we are: what it has sent meanwhile is there
        const auto wait_ms = patience_.count() == 0 ? -1 : std::max(left, decltype(left){0});
        const int events = ::poll(&ready, 1, static_cast<int>(wait_ms));
        if (events < 0 && errno == EINTR) continue;
        if (events == 0) {
            ::kill(pid_, SIGKILL);
            how_it_ended();
            throw Error{ErrorKind::content, "cannot decode " + name_ + ": its decoder made no progress for " +
                                                std::to_string(patience_.count() / 1000) + " s and was ended"};
        }
        const ssize_t got = ::read(fd_, buffer_.data() + filled_, buffer_.size() - filled_);
        if (got > 0) {
            filled_ += static_cast<std::size_t>(got);
            return;
        }
        if (got < 0 && errno == EINTR) continue;
        throw Error{ErrorKind::content, "cannot decode " + name_ + ": " + how_it_ended()};
    }
}

bool ChildSource::next(pal::Record& record, FrameHandler& handler, ChildHandler& starter) {
    while (!finished_) {
        std::uint32_t size = 0;
        const std::size_t have = filled_ - at_;
        if (have >= sizeof size) std::memcpy(&size, buffer_.data() + at_, sizeof size);
        if (size > kMaxFrame)
            throw Error{ErrorKind::system, "cannot decode " + name_ + ": its decoder announced a message of " +
                                               std::to_string(size) + " bytes"};
        if (have < sizeof size || have - sizeof size < size) {
            receive();
            continue;
        }
        const std::string_view frame{buffer_.data() + at_ + sizeof size, size};
        at_ += sizeof size + size;
        switch (take_frame(frame, record, handler, starter)) {
            case FrameResult::record:
                return true;
            case FrameResult::handled:
                break;
            case FrameResult::finished:
                finished_ = true;
                break;
        }
    }
    return false;
}

}  // namespace tiffany::ctf
