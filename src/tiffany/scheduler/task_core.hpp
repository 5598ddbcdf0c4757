#pragma once
/// All that the scheduler knows of one task: two cache lines, and what few tasks need apart from them.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tiffany/scheduler/detail/chain.hpp>
#include <tiffany/scheduler/detail/operation.hpp>
#include <tiffany/scheduler/detail/result.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <tiffany/scheduler/task_handle.hpp>

#include "budget.hpp"
#include "task_life.hpp"

namespace tiffany::detail {

/// What a task waits with for the end of another one before it begins: linked there while that one lives.
struct Dependency : ListedOperation {
    Dependency() noexcept : ListedOperation{WaitsFor::dependencies} {}
    TaskHandle on;
};

/// All of one task. They stay where they are, because lists link them.
class Dependencies {
  public:
    Dependencies() = default;
    /// Errors: std::bad_alloc.
    explicit Dependencies(std::size_t count) : all_{std::make_unique<Dependency[]>(count)}, count_{count} {}
    std::span<Dependency> all() const noexcept { return {all_.get(), all_ != nullptr ? count_ : 0}; }
    /// None is in a list.
    void drop() noexcept { all_.reset(); }

  private:
    std::unique_ptr<Dependency[]> all_;
    std::size_t count_ = 0;
};

/// What few tasks have; made with the first of it. Guarded by the scheduler's lock, but for what only its runs use.
struct TaskExtras {
    Budget budget;                            // used by its runs
    std::optional<std::uint64_t> quantum_ns;  // its own one; used by its runs
    Operation pause{WaitsFor::quota};         // what it waits with past its budget

    Dependencies dependencies;  // it begins when these have finished; dropped then
    std::size_t dependencies_left = 0;
    WaitList dependents;  // the Dependency of each task that begins when this one has finished

    // how it ended; written once, before its state says so
    KeepResult keep_result = nullptr;
    Result result{nullptr, [](void*) {}};
    std::exception_ptr error;
    std::string message;
};

/// Between a task that sleeps until it is woken and those who wake it: who makes it `idle` again has the right, and the
/// duty, to make it ready.
enum class WakeState : std::uint8_t { idle, asleep, woken };

/// First in a task, because it is a cache line of its own.
struct TaskLifeFirst {
    TaskLife life;
};

struct TaskCore : TaskLifeFirst, Chain {
    TaskCore() = default;
    TaskCore(const TaskCore&) = delete;
    TaskCore& operator=(const TaskCore&) = delete;
    ~TaskCore() { delete extras(); }

    /// In `holds`, apart from the count of the handles: whether somebody has one is seen at any moment.
    static constexpr std::uint32_t kSchedulersHold = std::uint32_t{1} << 31;

    // ---- others look at it ----
    std::atomic<WakeState> wake{WakeState::idle};
    std::atomic<bool> over{false};                      // it has ended, and how is written
    std::atomic<std::uint32_t> holds{kSchedulersHold};  // the scheduler's, until the end, and one a handle

    TaskCore* next = nullptr;  // in a ready queue, an inbox, or the list of the ended

    // ---- guarded by the scheduler's lock ----
    Operation* waiting = nullptr;  // null: it is ready, runs, or has ended
    WaitList joiners;
    std::uint64_t canceller = 0;  // tid of who asked

    /// Null: it has none. Its run may ask without the lock.
    TaskExtras* extras() const noexcept { return extras_.load(std::memory_order_acquire); }
    /// Any thread. Errors: std::bad_alloc.
    TaskExtras& with_extras() {
        TaskExtras* here = extras();
        if (here != nullptr) return *here;
        auto made = std::make_unique<TaskExtras>();
        if (extras_.compare_exchange_strong(here, made.get(), std::memory_order_acq_rel)) here = made.release();
        return *here;
    }
    void drop_extras() noexcept { delete extras_.exchange(nullptr); }

  private:
    std::atomic<TaskExtras*> extras_{nullptr};
};
#if TIFFANY_TELEMETRY
static_assert(sizeof(TaskCore) == 2 * sizeof(TaskTimes), "a task is two cache lines");
#endif

inline TaskCore& task_of(Chain& chain) noexcept {
    return static_cast<TaskCore&>(chain);
}

inline bool has_ended(const TaskCore& task) noexcept {
    return task.over.load(std::memory_order_acquire);  // acquire: how it ended is seen
}

}  // namespace tiffany::detail
