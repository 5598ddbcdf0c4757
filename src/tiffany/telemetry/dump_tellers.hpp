#pragma once
/// Hooks that tell of a task before its event, while a worker lists the live tasks in a state dump.

#include <atomic>
#include <cstdint>

namespace tiffany::detail {

/// Thread-safe, one for each scheduler. One word: how many forks led here, and how many hooks tell now.
///
/// A hook takes its turn before it marks the task as told. Who lists passes that task over, and may say that all are
/// told of only when no hook has a turn.
class DumpTellers {
  public:
    /// While it lives. Its fork may be another one's when it ends: a signal handler forks in the middle of an event.
    class Turn {
      public:
        explicit Turn(DumpTellers& tellers) noexcept
            // relaxed: the mark, which comes after it, is a release
            : tellers_{tellers}, forks_{forks_of(tellers.word_.fetch_add(1, std::memory_order_relaxed))} {}
        ~Turn() {
            // release: what was told is told. The fork may come at any moment of this, too.
            std::uint64_t word = tellers_.word_.load(std::memory_order_relaxed);
            while (forks_of(word) == forks_ &&
                   !tellers_.word_.compare_exchange_weak(word, word - 1, std::memory_order_release,
                                                         std::memory_order_relaxed)) {
            }
        }
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;

      private:
        DumpTellers& tellers_;
        std::uint32_t forks_;
    };

    /// Whether a hook has a turn.
    bool any() const noexcept { return static_cast<std::uint32_t>(word_.load(std::memory_order_acquire)) != 0; }

    /// In a forked child, where no other thread is.
    void become_child() noexcept {
        const std::uint64_t forks = forks_of(word_.load(std::memory_order_relaxed)) + std::uint64_t{1};
        word_.store(forks << 32, std::memory_order_relaxed);
    }

  private:
    static constexpr std::uint32_t forks_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> 32);
    }

    std::atomic<std::uint64_t> word_{0};
};

}  // namespace tiffany::detail
