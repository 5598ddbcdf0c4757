#pragma once
/// The scheduler's inside. engine.cpp: tasks come, the loop. suspend.cpp: tasks suspend and are woken. ending.cpp:
/// tasks end.

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/telemetry/hooks.hpp>

#include "inbox.hpp"
#include "poller.hpp"
#include "ready_queue.hpp"
#include "task_core.hpp"
#include "task_life.hpp"
#include "timer_heap.hpp"

namespace tiffany::detail {

/// Not shared: the thread that made it; what others may call says so.
class Engine {
  public:
    Engine(Scheduler& scheduler, const SchedulerOptions& options);
    ~Engine() { close(); }
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    /// Any thread.
    TaskHandle spawn(const SpawnOptions& options, Frame frame, Site site);
    void run(bool until_idle);
    void stop() noexcept;                                                                      ///< any thread
    void post(std::function<void()> function) { inbox_->give_function(std::move(function)); }  ///< any thread
    void close() noexcept;

    // ---- the running task suspends; false: it goes on at once ----
    bool yield(TaskCore& task) noexcept;
    bool sleep_for(TaskCore& task, std::chrono::nanoseconds time) noexcept;
    bool sleep_until(TaskCore& task, std::uint64_t deadline_ns) noexcept;
    bool sleep_until_woken(TaskCore& task) noexcept;
    bool join(TaskCore& task, TaskCore& target, std::chrono::nanoseconds timeout) noexcept;
    bool wait_io(TaskCore& task, int fd, Direction direction, std::chrono::nanoseconds timeout) noexcept;
    bool wait(TaskCore& task, WaitList& list, std::uint64_t event, std::chrono::nanoseconds timeout) noexcept;

    // ---- tasks are woken, and end ----
    /// It waits no more, whatever for: fires Ready, and queues it.
    void make_ready(TaskCore& task, WakeCause cause, std::uint64_t waker, std::uint64_t late_ns = 0) noexcept;
    void wake(TaskCore& task) noexcept;
    bool cancel(TaskCore& task, CancelCause cause) noexcept;
    void shutdown() noexcept;

    TaskHandle find(std::uint64_t tid) const noexcept;
    std::size_t live() const noexcept { return live_count_; }
    std::uint64_t now_ns() const noexcept { return clock_->monotonic_ns(); }
    std::uint64_t current_tid() const noexcept { return current_ == nullptr ? 0 : current_->life.tid(); }
    SchedulerTelemetry& telemetry() noexcept { return telemetry_; }
    Scheduler& scheduler() noexcept { return *scheduler_; }

  private:
    void link_live(TaskCore& task) noexcept;
    void unlink_live(TaskCore& task) noexcept;
    void adopt(TaskCore& task);
    void await_dependencies(TaskCore& task);
    void take_inbox();
    void expire_timers() noexcept;
    void poll();
    void park();
    void report();
    void run_task(TaskCore& task) noexcept;

    /// The time is up before the wait begins; else the wait begins, and ends at the time-out.
    bool is_over(TaskCore& task, std::chrono::nanoseconds timeout) noexcept;
    void begin_wait(TaskCore& task, WaitsFor waits_for, std::chrono::nanoseconds timeout) noexcept;
    void begin_sleep(TaskCore& task, std::uint64_t dur_ns, std::uint64_t deadline_ns) noexcept;
    void detach(TaskCore& task) noexcept;
    void give_way(TaskCore& task, bool may_park) noexcept;

    void end_run(TaskCore& task) noexcept;
    void fail(TaskCore& task, const char* error);
    void cancel_unstarted(TaskCore& task, CancelCause cause, std::uint64_t canceller) noexcept;
    void end(TaskCore& task) noexcept;
    void tell_ended() noexcept;
    void tell_dependents(TaskCore& ended) noexcept;

    Scheduler* scheduler_;
    SchedulerTelemetry telemetry_;
    LifeHooksLease worker_;
    Clock* clock_;
    std::uint64_t quantum_ns_;
    bool clock_stands_;  // a virtual clock: only the test moves it

    Poller poller_;
    std::shared_ptr<Inbox> inbox_;
    ReadyQueue ready_;
    TimerHeap timers_;

    TaskCore* live_ = nullptr;  // all tasks that have not ended
    std::size_t live_count_ = 0;
    TaskCore* current_ = nullptr;
    std::uint64_t run_began_ = 0;  // ticks
    unsigned runs_since_poll_ = 0;
    std::atomic<bool> stop_{false};
    bool closed_ = false;

    // tasks whose end is still to be told; told one after the other, because one end may cause the next
    TaskCore* ended_head_ = nullptr;
    TaskCore* ended_tail_ = nullptr;
    bool telling_ = false;
};

}  // namespace tiffany::detail
