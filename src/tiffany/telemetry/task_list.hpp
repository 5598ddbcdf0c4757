#pragma once
/// How a runtime lists its live tasks, for a tracer that begins when they are there already.
///
///     class MyRuntime final : public tiffany::TaskList {
///         std::uint64_t list(std::uint64_t cursor, tiffany::TaskTaker& taker) noexcept override {
///             const std::lock_guard lock{mutex_};                      // no task comes or goes meanwhile
///             auto task = tasks_.upper_bound(cursor);                  // a std::map by tid: the cursor is the last
///             tid for (; task != tasks_.end(); ++task) {
///                 if (!taker.wants_more()) return cursor;              // go on here next time
///                 taker.take(task->second->times);
///                 cursor = task->first;
///             }
///             return kEnd;
///         }
///     };
///     telemetry.list_tasks_by(&my_runtime);
///
/// Without a list a task is told of just before its next event, and one that has none is not told of; and the gauges of
/// a forked child count its own tasks alone.

#include <tiffany/telemetry/config.hpp>

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/task_list.hpp>  // IWYU pragma: export
#else

#include <cstddef>
#include <cstdint>
#include <tiffany/telemetry/task_times.hpp>

struct tiffany_dump_task;

namespace tiffany {

class Clock;
class Worker;

/// Takes the tasks that a `TaskList` lists. Not shared; good for one call of `list`.
class TaskTaker {
  public:
    TaskTaker(const TaskTaker&) = delete;
    TaskTaker& operator=(const TaskTaker&) = delete;

    /// False: what is listed now is for another time.
    bool wants_more() const noexcept { return taken_ < room_ && seen_ < kMostSeen; }
    /// Copies what is to be told of a task; the task may go when the caller lets it. One that has ended, or was told
    /// of in this dump already, is passed over. Nothing happens unless `wants_more()`. Another thread may call a hook
    /// on the task at the same time. Cost: one clock read for all, some 50 ns a task.
    void take(TaskTimes& task) noexcept;

  private:
    friend class Worker;
    static constexpr std::size_t kMostSeen = 256;  // so that tasks which are passed over take no long time either
    /// @param events  null: nobody is told
    /// @param heir    whose metrics count inherited tasks; null: nobody's
    TaskTaker(tiffany_dump_task* events, std::size_t room, std::uint64_t worker, std::uint32_t generation,
              const Clock& clock, Worker* heir) noexcept;

    tiffany_dump_task* events_;
    std::size_t room_;
    std::uint64_t worker_;
    std::uint32_t generation_;
    const Clock& clock_;
    Worker* heir_;
    std::uint64_t now_;
    std::size_t taken_ = 0;
    std::size_t seen_ = 0;
};

/// What a runtime gives to `SchedulerTelemetry::list_tasks_by`.
class TaskList {
  public:
    static constexpr std::uint64_t kEnd = ~std::uint64_t{0};

    /// Hands live tasks to `taker`, from `cursor` on, while it wants more.
    ///
    /// @param cursor  0 = from the first one; else what the last call returned: the runtime's own number for a place
    ///                that stays one while tasks come and go (a tid, a place in a table). Each task that lives from
    ///                the first call to the one that returns kEnd is handed over at least once.
    /// Returns where to go on, or kEnd. It may return early, also without having handed over any: when its lock is held
    /// by another thread it need not wait.
    ///
    /// Thread: one of the runtime's that has a loop, in `Worker::Tick`'s constructor or in `Worker::park`; so these are
    /// not called with the lock held that `list` takes. Not two at a time. In a forked child too: who takes a lock
    /// that another thread may have held at the fork tries to lock it, and returns `cursor` if that fails.
    /// Called only while a tracer that came late is being told, and, with metrics on, in a forked child that goes on
    /// ticking, for its gauges (docs/metrics.md); some eight times a tick then.
    virtual std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept = 0;

  protected:
    TaskList() = default;
    TaskList(const TaskList&) = default;
    TaskList& operator=(const TaskList&) = default;
    ~TaskList() = default;
};

}  // namespace tiffany

#endif
