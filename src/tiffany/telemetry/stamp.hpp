#pragma once
/// A moment that several hooks share, so that the clock is read once for all of them.
///
///     const Stamp now = worker.now();      // the end of one run is the beginning of the next
///     worker.yield(last.times, now);
///     worker.running(next.times, now);

#include <tiffany/telemetry/config.hpp>

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/stamp.hpp>  // IWYU pragma: export
#else

#include <cstdint>

namespace tiffany {

/// A moment on a scheduler's clock, or unknown. A value: copied freely, good for every worker of schedulers that have
/// the same clock.
class Stamp {
  public:
    /// Unknown: a hook that gets it reads the clock itself.
    constexpr Stamp() noexcept = default;
    /// @param ticks  what the scheduler's `Clock::ticks()` returned; 0 = unknown
    constexpr explicit Stamp(std::uint64_t ticks) noexcept : ticks_{ticks} {}

    constexpr bool known() const noexcept { return ticks_ != 0; }
    /// 0 = unknown.
    constexpr std::uint64_t ticks() const noexcept { return ticks_; }

  private:
    std::uint64_t ticks_ = 0;
};

}  // namespace tiffany

#endif
