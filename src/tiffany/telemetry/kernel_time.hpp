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

/// What is to be added to CLOCK_MONOTONIC for the time of day, as it is now: of some readings the tightest, between
/// whose clocks the thread did not lose its CPU. Any thread. Cost: 24 clock reads.
inline std::uint64_t time_of_day_offset_ns() noexcept {
    std::uint64_t offset = 0;
    std::uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < 8; ++i) {
        const std::uint64_t before = kernel_ns();
        const std::uint64_t day = kernel_ns(CLOCK_REALTIME);
        const std::uint64_t width = kernel_ns() - before;
        if (width >= narrowest) continue;
        narrowest = width;
        offset = day - (before + width / 2);
    }
    return offset;
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
