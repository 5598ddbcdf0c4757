#pragma once
// What the adapter keeps of a TBB task, and when it calls the hooks. It knows nothing of TBB: tbb.hpp translates.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string_view>
#include <tiffany/telemetry/hooks.hpp>
#include <type_traits>
#include <utility>

namespace tiffany::detail {

class TbbTask;

/// The latest of the ends that are told, by their stamps: who tells of one may come long after it took its stamp.
/// Thread-safe.
class TbbLastEnd {
  public:
    void tell(std::uint64_t tid, Stamp at) noexcept;

    /// Whose end it was. Of two that are told at the same time it is left open which.
    std::uint64_t tid() const noexcept { return tid_.load(std::memory_order_relaxed); }
    /// When it was, unless that was before `began`, or nobody knows; else unknown.
    Stamp since(Stamp began) const noexcept {
        const std::uint64_t ticks = ticks_.load(std::memory_order_relaxed);
        return began.known() && ticks >= began.ticks() ? Stamp{ticks} : Stamp{};
    }

  private:
    std::atomic<std::uint64_t> tid_{0};
    std::atomic<std::uint64_t> ticks_{0};
};

/// The tasks that somebody waits for together. Outlives them: TBB releases the wait after a task's functor has died.
class TbbGroupState {
  public:
    TbbGroupState() = default;
    TbbGroupState(const TbbGroupState&) = delete;
    TbbGroupState& operator=(const TbbGroupState&) = delete;

    /// The task that runs here, if one does, asked all of them to end.
    void cancelled_here() noexcept;
    /// Returns when all of them have ended, and tell nothing more. For those that nobody can wait for in TBB.
    void outlast() const noexcept;
    /// All of them have ended, and TBB will run the next ones as if nobody had cancelled these.
    void forget_canceller() noexcept { canceller_.store(0, std::memory_order_relaxed); }

  private:
    friend class TbbJoin;
    friend class TbbTask;

    void enter(std::uint64_t tid) noexcept;
    void leave(std::uint64_t tid, Stamp at) noexcept;

    std::atomic<std::size_t> alive_{0};
    std::atomic<std::uint64_t> spawned_{0};  // the latest one: which of two at the same time is left open
    TbbLastEnd ended_;
    std::atomic<std::uint64_t> canceller_{0};
};

/// A task, in its functor's own object. One thread at a time: who spawns it, then who runs or drops it.
class TbbTask {
  public:
    TbbTask(SchedulerTelemetry& telemetry, TbbGroupState& group) noexcept : telemetry_{telemetry}, group_{group} {}
    TbbTask(const TbbTask&) = delete;
    TbbTask& operator=(const TbbTask&) = delete;
    ~TbbTask() = default;  // drop() first, if it is alive

    /// Fires Spawned, the parent being the task that runs here.
    void spawn(SpawnInfo info) noexcept;
    /// Whether it was spawned and has not ended.
    bool is_alive() const noexcept { return is_spawned_.load(std::memory_order_acquire) && !has_ended_; }
    /// It is alive and will not run: Cancelled.
    /// @param asked  its group was cancelled
    void drop(bool asked) noexcept;

  private:
    friend class TbbGroupState;
    friend class TbbRun;
    friend class TbbJoin;
    friend void tbb_yield() noexcept;

    Worker& worker() const noexcept { return telemetry_.here(); }
    void left(Stamp at) noexcept;

    SchedulerTelemetry& telemetry_;
    TbbGroupState& group_;
    // Orders the hooks of the spawn before those of the run. TBB does so too, unseen by who checks a program for races.
    std::atomic<bool> is_spawned_{false};
    bool has_ended_ = false;
    TaskTimes times_;
};

/// The run of a task: on the stack around its functor's call. What TBB runs on this thread meanwhile is within it.
class TbbRun {
  public:
    explicit TbbRun(TbbTask& task) noexcept;
    ~TbbRun();
    TbbRun(const TbbRun&) = delete;
    TbbRun& operator=(const TbbRun&) = delete;

    /// The task that runs here. Null: none does, or it waits and TBB runs something here that is no task.
    static TbbRun* here() noexcept;

    void done() noexcept;
    /// Nothing if it is done: then what failed is the move of its result.
    void failed(std::string_view error) noexcept;

    /// Where the hooks say that the task is.
    const TaskTimes& times() const noexcept { return task_.times_; }

  private:
    friend class TbbGroupState;
    friend class TbbJoin;
    friend class TbbTask;
    friend void tbb_yield() noexcept;

    void go_on() noexcept;  // Ready -> Running
    void stop() noexcept;   // a hook has told that it does not run any more

    TbbTask& task_;
    TbbRun* outer_;
    bool runs_ = false;
    bool interrupts_ = false;  // the outer one was told to give way
    std::optional<Worker::Tick> tick_;
};

/// While the task that runs here, if one does, waits for a group: Join, and Ready and Running when this dies.
class TbbJoin {
  public:
    /// @param telemetry  of the group's tasks
    TbbJoin(const SchedulerTelemetry& telemetry, TbbGroupState& group) noexcept
        : telemetry_{telemetry}, group_{group} {}
    ~TbbJoin();
    TbbJoin(const TbbJoin&) = delete;
    TbbJoin& operator=(const TbbJoin&) = delete;

    /// Tells nothing if all have ended.
    void begin() noexcept;

  private:
    const SchedulerTelemetry& telemetry_;
    TbbGroupState& group_;
    TbbRun* run_ = nullptr;  // that was told to wait
    Stamp began_ = {};
};

/// Calls a task's function as its run.
template <typename Function>
std::invoke_result_t<Function&> tbb_run(TbbTask& task, Function& function) {
    TbbRun run{task};
    try {
        if constexpr (std::is_void_v<std::invoke_result_t<Function&> >) {
            function();
            run.done();
        } else {
            std::invoke_result_t<Function&> result = function();
            run.done();
            return std::forward<std::invoke_result_t<Function&> >(result);
        }
    } catch (const std::exception& error) {
        run.failed(error.what());
        throw;
    } catch (...) {
        run.failed("an exception of an unknown kind");
        throw;
    }
}

/// The task that runs here, if one does, gives the processor away.
void tbb_yield() noexcept;

/// This thread, which is TBB's, comes to run tasks of a telemetry: takes a worker, if it has none.
/// @param alive  dies with the telemetry
void tbb_enter(SchedulerTelemetry& telemetry, const std::shared_ptr<const int>& alive) noexcept;
/// It goes: gives the worker back, unless a task runs here.
void tbb_leave(const SchedulerTelemetry& telemetry) noexcept;

}  // namespace tiffany::detail
