#include "poller.hpp"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <new>
#include <span>
#include <utility>

namespace tiffany::detail {
namespace {

std::system_error system_failure(const char* what) {
    return std::system_error{errno, std::system_category(), what};
}

/// epoll_wait knows milliseconds only; rounded up, so that no deadline is found too early for ever.
int wait_in_ms(int epoll_fd, std::span<epoll_event> events, std::uint64_t timeout_ns) noexcept {
    constexpr std::uint64_t kNsPerMs = 1'000'000;
    constexpr std::uint64_t kLongestMs = 1'000;
    const std::uint64_t ms = std::min<std::uint64_t>((timeout_ns + kNsPerMs - 1) / kNsPerMs, kLongestMs);
    return epoll_wait(epoll_fd, events.data(), static_cast<int>(events.size()), static_cast<int>(ms));
}

int wait_in_ns(int epoll_fd, std::span<epoll_event> events, std::uint64_t timeout_ns) noexcept {
    constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    timespec timeout{};
    timeout.tv_sec = static_cast<std::time_t>(timeout_ns / kNsPerSecond);
    timeout.tv_nsec = static_cast<long>(timeout_ns % kNsPerSecond);
    const int found = epoll_pwait2(epoll_fd, events.data(), static_cast<int>(events.size()), &timeout, nullptr);
    // kernels before 5.11, and some sandboxes
    return found < 0 && (errno == ENOSYS || errno == EPERM) ? wait_in_ms(epoll_fd, events, timeout_ns) : found;
}

}  // namespace

Poller::Poller() : epoll_fd_{epoll_create1(EPOLL_CLOEXEC)}, interrupt_fd_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = interrupt_fd_;
    if (epoll_fd_ >= 0 && interrupt_fd_ >= 0 && epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, interrupt_fd_, &event) == 0) return;
    const std::system_error failure = system_failure("cannot make the scheduler's epoll");
    if (epoll_fd_ >= 0) close(epoll_fd_);
    if (interrupt_fd_ >= 0) close(interrupt_fd_);
    throw failure;
}

Poller::~Poller() {
    close(epoll_fd_);
    close(interrupt_fd_);
}

bool Poller::is_ready(int fd, Direction direction, int& error) noexcept {
    pollfd asked{fd, static_cast<short>(direction == Direction::read ? POLLIN | POLLRDHUP : POLLOUT), 0};
    if (fd < 0 || (poll(&asked, 1, 0) == 1 && (asked.revents & POLLNVAL) != 0)) {
        error = EBADF;
        return false;
    }
    return asked.revents != 0;
}

int Poller::add(IoOperation& operation) noexcept {
    Descriptor* place = nullptr;
    try {
        place = &descriptors_[operation.fd];
    } catch (const std::bad_alloc&) {
        return ENOMEM;
    }
    Descriptor& descriptor = *place;
    (operation.direction == Direction::read ? descriptor.readers : descriptor.writers).add(operation);
    const int error = arm(operation.fd, descriptor);
    if (error != 0)
        WaitList::remove(operation);
    else
        ++waiting_;
    return error;
}

void Poller::remove(IoOperation& operation) noexcept {
    if (operation.list == nullptr) return;
    WaitList::remove(operation);
    --waiting_;
    Descriptor& descriptor = descriptors_.find(operation.fd)->second;
    if (!descriptor.armed) return;  // it was just reported
    // armed for more than is waited for: at most one report too many, which arms it rightly
    if (!descriptor.readers.empty() || !descriptor.writers.empty()) return;
    epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, operation.fd, nullptr);
    descriptor.registered = descriptor.armed = false;
}

/// One report for each arming: a descriptor that stays ready while nobody waits for it would keep the loop awake.
int Poller::arm(int fd, Descriptor& descriptor) const noexcept {
    epoll_event event{};
    event.events = EPOLLONESHOT;
    if (!descriptor.readers.empty()) event.events |= EPOLLIN | EPOLLRDHUP;
    if (!descriptor.writers.empty()) event.events |= EPOLLOUT;
    event.data.fd = fd;
    // a descriptor that was closed in between is not registered any more
    if (!descriptor.registered || epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) != 0) {
        if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) return errno;
    }
    descriptor.registered = descriptor.armed = true;
    return 0;
}

bool Poller::block(std::uint64_t timeout_ns) noexcept {
    const int found = timeout_ns == 0 ? epoll_wait(epoll_fd_, events_.data(), static_cast<int>(events_.size()), 0)
                                      : wait_in_ns(epoll_fd_, events_, timeout_ns);
    found_ = found > 0 ? static_cast<std::size_t>(found) : 0;
    return found_ != 0;
}

bool Poller::has_news() const noexcept {
    pollfd asked{epoll_fd_, POLLIN, 0};
    return poll(&asked, 1, 0) == 1;
}

void Poller::report(const std::function<void(IoOperation&)>& wake) {
    for (const epoll_event& event : std::span{events_}.first(std::exchange(found_, 0))) {
        if (event.data.fd == interrupt_fd_) {
            std::uint64_t interrupts = 0;
            [[maybe_unused]] const ssize_t got = read(interrupt_fd_, &interrupts, sizeof interrupts);
            continue;
        }
        const auto place = descriptors_.find(event.data.fd);
        if (place != descriptors_.end()) report_one(event.data.fd, place->second, event.events, wake);
    }
}

void Poller::report_one(int fd, Descriptor& descriptor, std::uint32_t events,
                        const std::function<void(IoOperation&)>& wake) {
    constexpr std::uint32_t kBoth = EPOLLERR | EPOLLHUP;
    descriptor.armed = false;
    if ((events & (EPOLLIN | EPOLLRDHUP | kBoth)) != 0)
        while (!descriptor.readers.empty())
            wake(static_cast<IoOperation&>(*descriptor.readers.front()));
    if ((events & (EPOLLOUT | kBoth)) != 0)
        while (!descriptor.writers.empty())
            wake(static_cast<IoOperation&>(*descriptor.writers.front()));
    if (descriptor.readers.empty() && descriptor.writers.empty()) return;
    const int error = arm(fd, descriptor);
    if (error == 0) return;
    for (WaitList* const list : {&descriptor.readers, &descriptor.writers})
        while (!list->empty()) {
            auto& operation = static_cast<IoOperation&>(*list->front());
            operation.error = error;  // nobody else would wake it
            wake(operation);
        }
}

void Poller::interrupt() const noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t put = write(interrupt_fd_, &one, sizeof one);
}

}  // namespace tiffany::detail
