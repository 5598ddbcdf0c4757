#pragma once
/// What other threads give to a scheduler: tasks that they spawned or woke, functions to call.

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/scheduler_telemetry.hpp>
#include <vector>

namespace tiffany::detail {

class Poller;
struct TaskCore;

/// Thread-safe. Its lock also orders the hooks of a task that one thread puts to sleep and another wakes.
class Inbox {
  public:
    Inbox(Poller& poller, SchedulerTelemetry& telemetry) noexcept : poller_{&poller}, telemetry_{&telemetry} {}

    struct Contents {
        std::vector<std::shared_ptr<TaskCore>> spawned;
        std::vector<TaskCore*> woken;
        std::vector<std::function<void()>> functions;
    };

    // False: the scheduler is closed, and takes nothing.

    /// Another thread spawns a task: fires Spawned.
    bool give_spawned(const std::shared_ptr<TaskCore>& task, const SpawnInfo& info);
    bool give_function(std::function<void()> function);

    /// Another thread wakes a task that sleeps until it is woken: fires Ready, cause external.
    void wake(TaskCore& task);

    /// Something is in it. Cost: a load.
    bool any() const noexcept { return any_.load(std::memory_order_acquire); }
    Contents take();

    /// Says that the scheduler's thread is about to block: who gives something from now on interrupts it. False: there
    /// is something already.
    bool sleep() noexcept;
    void rise() noexcept;
    void interrupt() noexcept;
    /// No other thread touches a task, the telemetry or the poller after that.
    void close() noexcept;

    /// The caller is the scheduler's thread, and the scheduler is not closed.
    bool is_home() const noexcept { return std::this_thread::get_id() == home_ && !closed_; }

    std::mutex& mutex() noexcept { return mutex_; }

  private:
    void gave() noexcept;  // with the lock held

    std::mutex mutex_;
    std::atomic<bool> any_{false};  // writers: with the lock held
    bool asleep_ = false;
    bool closed_ = false;  // writer: the scheduler's thread, with the lock held
    const std::thread::id home_ = std::this_thread::get_id();
    Contents contents_;
    Poller* poller_;
    SchedulerTelemetry* telemetry_;
};

}  // namespace tiffany::detail
