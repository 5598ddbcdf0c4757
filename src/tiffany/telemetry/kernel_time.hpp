#pragma once
/// The kernel's clocks, whatever clock the scheduler has: for what lives by real time.

#include <cstdint>
#include <ctime>

namespace tiffany::detail {

/// One of clock_gettime(2), ns. Any thread. Cost: no system call.
inline std::uint64_t kernel_ns(clockid_t clock = CLOCK_MONOTONIC) noexcept {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

/// Some milliseconds old, for a third of the price.
inline std::uint64_t coarse_kernel_ns() noexcept {
    return kernel_ns(CLOCK_MONOTONIC_COARSE);
}

/// For who looks again and again until another thread is done. A cancellation point.
inline void rest() noexcept {
    constexpr timespec kRest{.tv_sec = 0, .tv_nsec = 100'000};
    nanosleep(&kRest, nullptr);
}

}  // namespace tiffany::detail
