#pragma once
/// File descriptors that tasks wait for, and the one by which other threads interrupt the wait: epoll.

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <system_error>
#include <tiffany/scheduler/detail/awaiters.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <unordered_map>

namespace tiffany::detail {

/// Not shared, but for `interrupt` and `block`: whoever holds the scheduler's lock. Does not own the operations.
class Poller {
  public:
    /// Errors: std::system_error.
    Poller();
    ~Poller();
    Poller(const Poller&) = delete;
    Poller& operator=(const Poller&) = delete;

    /// Whether reading or writing would not block. Cost: one poll(). Errors: errno, of a descriptor that is not open.
    static bool is_ready(int fd, Direction direction, int& error) noexcept;

    /// It waits for its descriptor from now on. Returns an errno. Cost: one epoll_ctl.
    int add(IoOperation& operation) noexcept;
    /// It waits no more. Does nothing if it did not.
    void remove(IoOperation& operation) noexcept;
    /// Operations that wait.
    std::size_t waiting() const noexcept { return waiting_; }

    /// Waits until something happens, at most `timeout_ns`; 0 = only looks. Returns whether something did. The loop's
    /// thread, without the lock.
    bool block(std::uint64_t timeout_ns) noexcept;
    /// Whether `block` would find something now. Any thread.
    bool has_news() const noexcept;
    /// Calls `wake` for each operation that can go on after the last `block`; `wake` removes it.
    void report(const std::function<void(IoOperation&)>& wake);

    /// A wait that goes on, or the next one, ends. Any thread.
    void interrupt() const noexcept;

  private:
    struct Descriptor {
        WaitList readers;
        WaitList writers;
        bool registered = false;  // epoll knows it
        bool armed = false;       // and will report it
    };
    int arm(int fd, Descriptor& descriptor) const noexcept;
    void report_one(int fd, Descriptor& descriptor, std::uint32_t events,
                    const std::function<void(IoOperation&)>& wake);

    static constexpr std::size_t kReports = 64;  // at a time

    int epoll_fd_;
    int interrupt_fd_;
    std::array<epoll_event, kReports> events_{};
    std::size_t found_ = 0;
    std::size_t waiting_ = 0;
    std::unordered_map<int, Descriptor> descriptors_;  // its nodes stay where they are: operations point to the lists
};

}  // namespace tiffany::detail
