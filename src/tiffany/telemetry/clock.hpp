#pragma once
/// The clock that the hooks read: cheap stamps whose differences become nanoseconds.
///
///     const Clock& clock = Clock::system();
///     const std::uint64_t begin = clock.ticks();
///     const std::uint64_t took_ns = clock.to_ns(clock.ticks() - begin);
///
/// Stamps are subtracted as ticks and then scaled; two scaled stamps are never subtracted, because the scale is
/// corrected while the process runs.

#include <atomic>
#include <cstdint>
#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace tiffany {

class VirtualClock;

/// Thread-safe: any number of readers; the scale is corrected by one thread at a time.
class Clock {
  public:
    /// The process's clock: the TSC where the kernel's current clock source is `tsc`, else CLOCK_MONOTONIC.
    ///
    /// Cost: the first call calibrates against CLOCK_MONOTONIC for about one millisecond.
    static Clock& system() noexcept;

    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;

    /// A stamp. Never 0. Any thread. Cost: one TSC read, or one clock_gettime.
    std::uint64_t ticks() const noexcept {
#if defined(__x86_64__)
        if (source_ == Source::tsc) return __rdtsc();
#endif
        return slow_ticks();
    }

    /// A stamp if one is to be had without a call, else 0: for code that has nothing to save before it reads. Any
    /// thread.
    std::uint64_t ticks_without_call() const noexcept {
#if defined(__x86_64__)
        if (source_ == Source::tsc) return __rdtsc();
#endif
        return 0;
    }

    /// A difference of two stamps in ns; at least 1 (0 means "not known" everywhere). A difference that is negative,
    /// because two CPUs' counters are a few ticks apart, counts as 1. Any thread. Cost: one multiplication.
    std::uint64_t to_ns(std::uint64_t tick_difference) const noexcept {
        if (static_cast<std::int64_t>(tick_difference) <= 0) return 1;
        // relaxed: the scale stands alone; a reader may use the one before the last correction
        // and the difference is shifted, so that what is wanted is one half of the product
        const Wide scaled =
            static_cast<Wide>(tick_difference << (64 - kScaleBits)) * ns_per_tick_.load(std::memory_order_relaxed);
        const auto ns = static_cast<std::uint64_t>(scaled >> 64);
        return ns == 0 ? 1 : ns;
    }
    /// About how many ticks so many ns are. Any thread. Cost: one long division.
    std::uint64_t ticks_in(std::uint64_t ns) const noexcept;

    /// CLOCK_MONOTONIC in ns, or the virtual time: for deadlines, not for durations. Any thread.
    std::uint64_t monotonic_ns() const noexcept;

    /// Corrects the scale against CLOCK_MONOTONIC since the first calibration. Any thread, one at a time; the hooks'
    /// upkeep calls it about once a second. Cost: one TSC read, one clock_gettime, one division.
    void correct() noexcept;

    /// "tsc", "monotonic" or "virtual".
    const char* name() const noexcept;
    /// Itself, if it is a VirtualClock; else null.
    VirtualClock* as_virtual() noexcept;

  protected:
    enum class Source : std::uint8_t { tsc, monotonic, virtual_time };
    explicit Clock(Source source) noexcept;
    ~Clock() = default;

    std::atomic<std::uint64_t> virtual_ns_{1};  // writer: the test

  private:
    __extension__ typedef unsigned __int128 Wide;
    static constexpr unsigned kScaleBits = 62;  // a tick is shorter than 4 ns, a difference than 100 years
    std::uint64_t slow_ticks() const noexcept;

    Source source_;
    std::uint64_t first_ticks_ = 0;
    std::uint64_t first_ns_ = 0;
    std::atomic<std::uint64_t> ns_per_tick_{std::uint64_t{1} << kScaleBits};  // writer: correct()
};

/// A clock for tests: it stands still until it is told to go on. One tick is one nanosecond. Starts at 1 ns.
class VirtualClock : public Clock {
  public:
    VirtualClock() noexcept : Clock{Source::virtual_time} {}
    /// Lets `ns` pass. Any thread.
    void advance(std::uint64_t ns) noexcept { virtual_ns_.fetch_add(ns, std::memory_order_relaxed); }
};

inline VirtualClock* Clock::as_virtual() noexcept {
    return source_ == Source::virtual_time ? static_cast<VirtualClock*>(this) : nullptr;
}

}  // namespace tiffany
