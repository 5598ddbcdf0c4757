#pragma once
/// For how long LTTng itself can have waited in a call, whatever the clock says: ADR 6.

#include <cstdint>

namespace tiffany::detail {

/// LTTng waits for room by poll(2), 100 ms at a time (or its time-out, if that is shorter), and counts those, not the
/// clock. Each puts its thread to sleep once, which the kernel counts. Who stands still in the middle of one (SIGSTOP,
/// a debugger, a frozen cgroup, a virtual machine) goes on waiting for that one, and has slept no more often.
///
/// Not shared: its worker's thread alone.
class LttngPolls {
  public:
    /// So long one lasts at most; the rest is for one in eleven whose sleep was not counted.
    static constexpr std::uint64_t kPollNs = 110'000'000;
    /// A count is no older than that when a call begins: what else the thread slept for since then seems to be polls.
    static constexpr std::uint64_t kFreshNs = 1'000'000;

    /// Before a call. Cost: nothing, but a system call once in kFreshNs.
    /// @param now  kernel_ns()
    void prepare(std::uint64_t now) noexcept {
        if (now - counted_ns_ >= kFreshNs) [[unlikely]]
            count(now);
    }

    /// After a call that prepare() was called for. Never less than LTTng waited, nor more than the call took. 0 where
    /// its thread never slept, and was without a CPU only. Cost: a system call.
    /// @param began  kernel_ns() then
    /// @param now    kernel_ns()
    std::uint64_t most_ns(std::uint64_t began, std::uint64_t now) noexcept;

  private:
    void count(std::uint64_t now) noexcept;

    std::uint64_t counted_ns_ = 0;
    static constexpr std::uint64_t kNotKnown = ~std::uint64_t{0};
    std::uint64_t sleeps_ = kNotKnown;  // of this thread, then
};

}  // namespace tiffany::detail
