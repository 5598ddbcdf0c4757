#pragma once
/// What a task carries so that its times are known: one cache line, embedded in the runtime's task.
///
///     struct MyTask { [[no_unique_address]] tiffany::TaskTimes times; /* ... */ };
///
/// A runtime only hands it to the hooks and reads `tid()` and `state()`. Without telemetry (docs/stripped.md) it is an
/// empty class, which that attribute keeps from taking a byte; `tid()` is 0 then, and `state()` None.

#include <tiffany/telemetry/config.hpp>

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/task_times.hpp>  // IWYU pragma: export
#else

#include <atomic>
#include <cstdint>
#include <tiffany/telemetry/spawn_info.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany {

class TaskTaker;
class Worker;

/// The times, the state and the identity of one task. Not copied, not moved: hooks and state dumps know its address
/// only while it lives.
///
/// Writer: whoever runs or wakes the task; the runtime's own synchronisation orders the hooks on one task (call the
/// hook first, then publish the task). Readers on other threads may call `tid()` after the spawn was published, and
/// `state()`, `step()` and `waited()` at any time.
class alignas(64) TaskTimes {
  public:
    TaskTimes() = default;
    TaskTimes(const TaskTimes&) = delete;
    TaskTimes& operator=(const TaskTimes&) = delete;

    /// Unique in its process, never used again; 0 before the spawn.
    std::uint64_t tid() const noexcept { return tid_; }
    TaskState state() const noexcept { return state_of(word_.load(std::memory_order_relaxed)); }
    WaitKind waited() const noexcept { return waited_of(word_.load(std::memory_order_relaxed)); }
    /// Transitions so far.
    std::uint64_t step() const noexcept { return step_of(word_.load(std::memory_order_relaxed)); }
    /// As given to the spawn.
    const char* name() const noexcept { return name_; }
    Site site() const noexcept { return {file_, line_}; }
    std::uint8_t priority() const noexcept { return priority_; }
    std::uint16_t group() const noexcept { return group_; }

  private:
    friend class TaskTaker;
    friend class Worker;

    // step, state and waited share one word, so that a state dump on another thread reads them whole
    static constexpr unsigned kStepShift = 8;
    static constexpr std::uint64_t step_of(std::uint64_t word) { return word >> kStepShift; }
    static constexpr TaskState state_of(std::uint64_t word) { return static_cast<TaskState>(word & 0xf); }
    static constexpr WaitKind waited_of(std::uint64_t word) { return static_cast<WaitKind>((word >> 4) & 0xf); }

    /// One step on to `state`. Returns the word before. relaxed: one writer at a time, ordered by the runtime.
    std::uint64_t move(TaskState state, WaitKind waited) noexcept {
        const std::uint64_t before = word_.load(std::memory_order_relaxed);
        // the low byte's old bits go, and one more step: a mask and an addition
        constexpr std::uint64_t kStep = std::uint64_t{1} << kStepShift;
        word_.store((before & ~(kStep - 1)) +
                        (kStep + (static_cast<std::uint64_t>(waited) << 4) + static_cast<std::uint64_t>(state)),
                    std::memory_order_relaxed);
        return before;
    }

    // Stamps are written after the word, each with release: who reads them in the opposite order sees what belongs
    // together, or that the word went on.
    void stamp(std::uint64_t step, std::uint64_t now) noexcept {
        since_.store(now, std::memory_order_release);
        stamp_step_.store(static_cast<std::uint32_t>(step), std::memory_order_release);
    }
    /// When the state of that step began, ticks; 0 = unknown. For who may call hooks on the task now.
    std::uint64_t since(std::uint64_t step) const noexcept {
        return stamp_step_.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(step)
                   ? since_.load(std::memory_order_relaxed)
                   : 0;
    }

    struct Seen {
        std::uint64_t word;
        std::uint64_t since;  // ticks: when that state began; 0 = unknown
    };
    /// For a thread that may not call hooks on it, while another one does.
    Seen look() const noexcept {
        Seen seen{word_.load(std::memory_order_acquire), 0};
        for (int i = 0; i < 3; ++i) {
            const std::uint32_t stamped = stamp_step_.load(std::memory_order_acquire);
            const std::uint64_t since = since_.load(std::memory_order_acquire);
            const std::uint64_t again = word_.load(std::memory_order_relaxed);
            if (again == seen.word) {
                if (stamped == static_cast<std::uint32_t>(step_of(seen.word))) seen.since = since;
                break;
            }
            seen.word = again;
        }
        return seen;
    }

    /// Whether it was spawned or dumped in that generation, or a later one. acquire: a hook that tells of it now is one
    /// of the scheduler's `DumpTellers`.
    bool told_since(std::uint32_t generation) const noexcept {
        return is_since(generation_.load(std::memory_order_acquire), generation);
    }
    /// Whether the caller is to tell of it in that generation: of those who ask, one. acquire: as told_since().
    bool begin_telling(std::uint32_t generation) noexcept {
        std::uint32_t told = generation_.load(std::memory_order_acquire);
        while (!is_since(told, generation))
            if (generation_.compare_exchange_weak(told, generation, std::memory_order_release,
                                                  std::memory_order_acquire))
                return true;
        return false;
    }
    static constexpr bool is_since(std::uint32_t told, std::uint32_t generation) noexcept {
        return told != 0 && static_cast<std::int32_t>(told - generation) >= 0;
    }

    std::uint64_t tid_ = 0;
    std::atomic<std::uint64_t> word_{0};
    std::atomic<std::uint64_t> since_{0};  // ticks: when the present state began; valid if stamp_step_ is the step
    std::uint64_t waiting_since_ = 0;      // ticks: when it first became not ready; 0 = it did not, or unknown
    const char* name_ = "";
    const char* file_ = "";
    std::uint32_t line_ = 0;
    std::atomic<std::uint32_t> stamp_step_{0};  // low half of the step that since_ was taken at: a hook that ran while
                                                // nothing listened takes no stamp, and the old one must not be used
    std::atomic<std::uint32_t> generation_{0};  // the last state dump that told of this task, or in which it was
                                                // spawned. Also written by the worker that lists the tasks
    std::uint16_t group_ = 0;
    std::uint8_t priority_ = 0;
    std::atomic<std::uint8_t> inherited_{0};  // in a forked child, of a task that its parent spawned: whether the
                                              // gauges count it (inherited.hpp). Also written by who lists the tasks
};
static_assert(sizeof(TaskTimes) == 64, "a task's times are one cache line");

}  // namespace tiffany

#endif
