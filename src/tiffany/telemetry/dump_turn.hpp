#pragma once
/// Which worker of a scheduler lists its live tasks in a state dump, and whether that is finished.

#include <atomic>
#include <cstdint>

namespace tiffany::detail {

/// How often a dump of many tasks may stop its worker, and for how long: so many tasks a tick,
inline constexpr std::uint64_t kDumpPerTick = 256;
/// and at most 500,000 a second, which a tracer's consumer keeps up with.
inline constexpr std::uint64_t kDumpTaskNs = 2'000;

/// Thread-safe, one for each scheduler. One word: the generation, how many workers came late, and whether it is
/// finished.
///
/// A worker that has not noticed the new generation may spawn tasks that nobody is told of. When it comes, those that
/// are there are gone over once more: by who lists them, or, if that is finished, by who came late.
class DumpTurn {
  public:
    /// Nothing lives yet, so there is nothing to dump in this generation.
    explicit DumpTurn(std::uint32_t generation) noexcept : word_{word_of(generation, 0) | kFinished} {}

    /// The calling worker is the first that can list in this generation: it does.
    bool claim(std::uint32_t generation) noexcept {
        std::uint64_t word = word_.load(std::memory_order_acquire);
        while (is_behind(word, generation))
            if (word_.compare_exchange_weak(word, word_of(generation, 0), std::memory_order_acq_rel)) return true;
        return false;
    }
    /// Whether nobody has claimed this generation.
    bool is_behind(std::uint32_t generation) const noexcept {
        return is_behind(word_.load(std::memory_order_acquire), generation);
    }
    /// The calling worker came late. Returns whether it lists: who did has finished.
    bool come_late(std::uint32_t generation) noexcept {
        std::uint64_t word = word_.load(std::memory_order_acquire);
        for (;;) {
            if (generation_of(word) != generation) return false;  // it will notice
            const bool finished = (word & kFinished) != 0;
            const std::uint64_t next = finished ? word & ~kFinished : word + kOneLate;
            if (word_.compare_exchange_weak(word, next, std::memory_order_acq_rel)) return finished;
        }
    }
    /// How many came late so far: before going over the tasks.
    std::uint32_t late() const noexcept { return late_of(word_.load(std::memory_order_acquire)); }
    enum class Pass : std::uint8_t {
        last,
        again,      ///< a worker came late since `late` was asked: the tasks are to be gone over again
        overtaken,  ///< another worker lists them in a later generation
    };
    /// All tasks were gone over.
    Pass finish(std::uint32_t generation, std::uint32_t late) noexcept {
        std::uint64_t word = word_of(generation, late);
        if (word_.compare_exchange_strong(word, word | kFinished, std::memory_order_acq_rel)) return Pass::last;
        return generation_of(word) == generation ? Pass::again : Pass::overtaken;
    }

    /// The calling worker lists no more, and has not gone over all: the next that comes may claim this generation.
    void abandon(std::uint32_t generation) noexcept {
        std::uint64_t word = word_.load(std::memory_order_acquire);
        while (generation_of(word) == generation)
            if (word_.compare_exchange_weak(word, word_of(generation - 1, 0) | kFinished, std::memory_order_acq_rel))
                return;
    }

    /// Whether somebody lists.
    bool is_going_on() const noexcept { return (word_.load(std::memory_order_acquire) & kFinished) == 0; }

  private:
    static constexpr std::uint64_t kFinished = 1;
    static constexpr std::uint64_t kOneLate = 2;
    static constexpr std::uint64_t word_of(std::uint32_t generation, std::uint32_t late) noexcept {
        return std::uint64_t{generation} << 32 | std::uint64_t{late} << 1;
    }
    static constexpr std::uint32_t generation_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> 32);
    }
    static constexpr std::uint32_t late_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word) >> 1;
    }
    static constexpr bool is_behind(std::uint64_t word, std::uint32_t generation) noexcept {
        return static_cast<std::int32_t>(generation - generation_of(word)) > 0;
    }

    std::atomic<std::uint64_t> word_;
};

}  // namespace tiffany::detail
