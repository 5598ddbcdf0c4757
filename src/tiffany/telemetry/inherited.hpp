#pragma once
/// Which tasks of its parent the gauges of a forked child count, and from which state on.
///
/// Who lists the live tasks counts each in the state that it finds; a hook that comes first counts its task in the
/// state that it leaves it in. Both may come at once, on two threads: the mark in the task says who was first, and
/// whether the lister read the task's word before or after the hook had moved it.

#include <atomic>
#include <cstdint>

namespace tiffany::detail {

/// Forks in a row, each by the child before, that marks can tell apart. After more the gauges count own tasks alone.
inline constexpr std::uint8_t kMostForks = 63;

/// The upper six bits: the fork, from 1; 0 = never inherited. Of another fork: it is not counted yet.
class InheritedMark {
  public:
    InheritedMark(std::atomic<std::uint8_t>& mark, std::uint8_t fork) noexcept
        : mark_{mark}, fork_{static_cast<std::uint8_t>(fork << 2)} {}

    /// For the lister, who has read from the task's word that `step`. Returns whether it is to be counted there.
    bool list(std::uint64_t step) noexcept {
        std::uint8_t seen = mark_.load(std::memory_order_relaxed);
        // release: the word was read before
        return !is_marked(seen) &&
               mark_.compare_exchange_strong(seen, fork_ | kListed | parity(step), std::memory_order_acq_rel);
    }

    enum class From : std::uint8_t {
        before,   ///< it is counted in the state that it leaves
        nowhere,  ///< it is not counted yet
        after,    ///< it is counted already in the state that it comes into
    };
    /// For a hook on the task, which has moved its word on from `step`. It is counted from now on.
    From move(std::uint64_t step) noexcept {
        const std::uint8_t settled = fork_ | kSettled;
        std::uint8_t seen = mark_.load(std::memory_order_relaxed);
        if (seen == settled) return From::before;
        if (!is_marked(seen) && mark_.compare_exchange_strong(seen, settled, std::memory_order_acq_rel))
            return From::nowhere;
        mark_.store(settled, std::memory_order_relaxed);  // nobody but hooks writes to it any more
        return (seen & 1) == parity(step) ? From::before : From::after;
    }

  private:
    static constexpr std::uint8_t kSettled = 1;
    static constexpr std::uint8_t kListed = 2;  // and in the bit beside it whether the step was odd
    static constexpr std::uint8_t parity(std::uint64_t step) noexcept { return static_cast<std::uint8_t>(step & 1); }
    bool is_marked(std::uint8_t seen) const noexcept { return (seen & ~3) == fork_; }

    std::atomic<std::uint8_t>& mark_;
    std::uint8_t fork_;
};

}  // namespace tiffany::detail
