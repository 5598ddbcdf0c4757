#pragma once
/// How many ticks a worker lets pass until it reads a clock to see whether a look for new listeners is due.

#include <cstdint>

namespace tiffany::detail {

inline constexpr std::uint64_t kLookEveryNs = 100'000'000;
inline constexpr std::uint32_t kMostTicks = 64;  // a coarse clock read costs as much as some ticks

/// @param ticks      how many it let pass the last time, or fewer, if it parked
/// @param passed_ns  how long that took
/// Returns as many as take about kLookEveryNs, if they go on as they were: 1 to kMostTicks, at most twice as many as
/// before.
constexpr std::uint32_t ticks_until_look(std::uint32_t ticks, std::uint64_t passed_ns) noexcept {
    if (passed_ns <= kLookEveryNs) return ticks < kMostTicks ? 2 * ticks : kMostTicks;
    for (; ticks > 1 && passed_ns > kLookEveryNs; passed_ns /= 2)
        ticks /= 2;
    return ticks;
}

}  // namespace tiffany::detail
