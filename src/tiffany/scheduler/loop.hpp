#pragma once
/// One thread of a scheduler: its ready tasks, its timers, its descriptors. loop.cpp: the loop; suspend.cpp: tasks
/// suspend; end_of_task.cpp: they end.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <tiffany/scheduler/detail/awaiters.hpp>
#include <tiffany/telemetry/hooks.hpp>

#include "inbox.hpp"
#include "poller.hpp"
#include "ready_queue.hpp"
#include "task_core.hpp"
#include "timer_wheel.hpp"

namespace tiffany::detail {

class Engine;

/// Its thread runs it; other threads of the scheduler push tasks into its queue, take some out of it, and use its
/// timers and descriptors with the scheduler's lock held.
class Loop : public LoopSide {
  public:
    Loop(Engine& engine, std::size_t index);
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    /// The one that runs on this thread; null: none.
    static Loop* current() noexcept;

    enum class Until : std::uint8_t {
        nothing_lives,    ///< or stop
        nothing_is_ready  ///< now; or stop
    };
    /// Runs tasks. Returns at that time at the latest.
    void run(Until until, std::uint64_t deadline_ns);
    /// A thread of a pool: until `retire`.
    void serve();
    void retire() noexcept;  ///< any thread

    // ---- its thread ----

    void take_worker();
    void give_worker_back() noexcept { worker_ = LifeHooksLease{}; }
    LifeHooks& hooks() noexcept { return *worker_; }
    TaskCore* running() const noexcept { return running_; }

    // ---- any thread ----

    Engine& engine() const noexcept { return *engine_; }
    Inbox& inbox() noexcept { return inbox_; }
    /// Something came: the loop looks, however it sleeps. Returns whether it slept.
    bool rouse() noexcept;

    // ---- threads of the scheduler ----

    /// A task is ready here; its event has been fired.
    void push(TaskCore& task) noexcept { many_ ? push<true>(task) : push<false>(task); }
    /// A task of this loop that another one may run; null: none.
    TaskCore* give_one() noexcept;
    /// What `other` could run; its own tasks, if it is this one.
    bool has_work_for(const Loop& other) noexcept;
    bool is_asleep() const noexcept { return asleep_.load(); }
    /// What a function that was posted makes ready has been ready since the post; unknown while none is called. Its
    /// thread.
    Stamp called_for() const noexcept { return called_for_; }

    // ---- with the scheduler's lock held ----

    /// A task of this loop waits no more, whatever for.
    void detach(TaskCore& task) noexcept;
    void adopt_tasks() noexcept;
    TimerWheel& timers() noexcept { return timers_; }
    bool waits_for_descriptors() const noexcept { return poller_.waiting() != 0; }
    bool has_news() noexcept;
    void forget_ready() noexcept {
        ready_.clear();
        movable_ = 0;
    }

  private:
    template <bool kMany>
    void push(TaskCore& task) noexcept {
        if constexpr (kMany)
            push_locked(task);
        else
            ready_.push(task);
    }
    void push_locked(TaskCore& task) noexcept;
    TaskCore* pop_locked() noexcept;
    TaskCore* steal() noexcept;
    void take_inbox();
    bool call_functions() noexcept;
    bool help() noexcept;
    void look();
    void report_descriptors();
    void look_after(unsigned runs) noexcept;
    void plan_look() noexcept;
    void add_timer(TaskCore& task, std::uint64_t deadline_ns) noexcept;
    bool find_work(Until until, std::uint64_t deadline_ns);
    void park(std::uint64_t deadline_ns);
    void expire_timers(std::uint64_t now_ns);

    template <bool kMany>
    [[gnu::always_inline]] inline void run_task(TaskCore& task) noexcept;
    template <bool kMany, bool kSilent>
    [[gnu::always_inline]] inline void run_in_tick(TaskCore& task) noexcept;
    bool prepare_run(TaskCore& task) noexcept;
    [[gnu::noinline]] void resume(TaskCore& task) noexcept;
    bool end_run(TaskCore& task) noexcept;
    void finish(TaskCore& task) noexcept;
    struct End {
        TaskEvent how = TaskEvent::Done;  // or Cancelled; with an error: Failed
        CancelCause cause = CancelCause::asked;
        std::uint64_t canceller = 0;
        std::exception_ptr error = {};
        std::string message = {};
    };
    static End end_of(TaskCore& task, const std::exception_ptr& failure) noexcept;
    static End told_by(const TaskCore& task, const std::exception_ptr& failure);
    Stamp moment_of_wakes(Stamp end) noexcept;
    void end_with(TaskCore& task, End& end, Stamp at) noexcept;
    void cancel_unstarted(TaskCore& task) noexcept;

    // suspend.cpp; true: the task is suspended, and may be another thread's from now on
    bool suspend(TaskCore& task, Operation& operation) noexcept;
    bool give_way(TaskCore& task, bool may_park) noexcept;
    bool begin_sleep(TaskCore& task, Operation& operation, std::uint64_t dur_ns, std::uint64_t until_ns) noexcept;
    static bool take_wake(TaskCore& task) noexcept;
    bool begin_sleep_until_woken(TaskCore& task, Operation& operation) noexcept;
    bool begin_join(TaskCore& task, JoinOperation& operation) noexcept;
    bool begin_io(TaskCore& task, IoOperation& operation) noexcept;
    bool begin_shared(TaskCore& task, SharedOperation& operation) noexcept;
    void begin_wait(TaskCore& task, Operation& operation) noexcept;
    void charge_budget(TaskCore& task) noexcept;
    Stamp end_of_run() noexcept { return last_end_ = worker_->now(); }
    bool is_surely_short(Stamp now) const noexcept {
        if constexpr (Stamp{1}.known())  // else there are no hooks, and nobody to tell
            return now.ticks() - run_began_.ticks() < surely_short_;
        return true;
    }

    // ---- its thread ----
    Engine* engine_;
    std::size_t index_;
    LifeHooksLease worker_;
    TaskCore* running_ = nullptr;
    Stamp run_began_;                // unknown if nobody listens
    Stamp last_end_;                 // when the last run ended, if nothing came after it
    Stamp called_for_;               // when the function that is being called was posted
    std::uint64_t budget_from_ = 0;  // ticks: what a task with a budget was charged up to
    unsigned runs_to_look_ = 0;      // until timers and descriptors are looked at
    unsigned runs_planned_ = 0;      // what that was after the last look
    std::uint64_t looked_at_ = 0;    // ticks; 0: not then
    const bool virtual_;
    const bool many_;
    const std::uint64_t quantum_ns_;
    const std::uint64_t surely_short_;  // ticks: a run of less is within the quantum
    Operation yield_{WaitsFor::yield};

    // ---- with the scheduler's lock held ----
    TimerWheel timers_;
    Poller poller_;

    // ---- others come here ----
    alignas(64) Inbox inbox_;
    std::atomic<bool> called_{false};  // something came since it last looked
    std::atomic<bool> asleep_{false};
    std::atomic<bool> retired_{false};
    mutable std::mutex queue_mutex_;  // with many loops
    ReadyQueue ready_;
    std::size_t movable_ = 0;  // tasks in it that are not pinned; with many loops
};

inline Loop& loop_of(const TaskCore& task) noexcept {
    return static_cast<Loop&>(*task.side);
}

}  // namespace tiffany::detail
