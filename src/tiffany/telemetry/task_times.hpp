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
    friend class Worker;

    // step, state and waited share one word, so that a state dump on another thread reads them whole
    static constexpr unsigned kStepShift = 8;
    static constexpr std::uint64_t step_of(std::uint64_t word) { return word >> kStepShift; }
    static constexpr TaskState state_of(std::uint64_t word) { return static_cast<TaskState>(word & 0xf); }
    static constexpr WaitKind waited_of(std::uint64_t word) { return static_cast<WaitKind>((word >> 4) & 0xf); }

    /// One step on to `state`. Returns the word before. relaxed: one writer at a time, ordered by the runtime.
    std::uint64_t move(TaskState state, WaitKind waited) noexcept {
        const std::uint64_t before = word_.load(std::memory_order_relaxed);
        word_.store(((step_of(before) + 1) << kStepShift) | (static_cast<std::uint64_t>(waited) << 4) |
                        static_cast<std::uint64_t>(state),
                    std::memory_order_relaxed);
        return before;
    }

    std::uint64_t tid_ = 0;
    std::atomic<std::uint64_t> word_{0};
    std::uint64_t since_ = 0;          // ticks: when the present state began; valid if stamp_step_ is the step
    std::uint64_t waiting_since_ = 0;  // ticks: when it first became not ready; 0 = it did not, or unknown
    const char* name_ = "";
    const char* file_ = "";
    std::uint32_t line_ = 0;
    std::uint32_t stamp_step_ = ~0u;  // low half of the step that since_ was taken at: a hook that ran while nothing
                                      // listened takes no stamp, and the old one must not be used
    [[maybe_unused]] std::uint32_t generation_ = 0;  // the state dump that told of this task; read by those
    std::uint16_t group_ = 0;
    std::uint8_t priority_ = 0;
};
static_assert(sizeof(TaskTimes) == 64, "a task's times are one cache line");

}  // namespace tiffany

#endif
