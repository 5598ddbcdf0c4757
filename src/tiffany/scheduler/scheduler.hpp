#pragma once
/// A cooperative scheduler for coroutines, in one thread, that shows what it does.
///
///     Task<> tick() { co_await sleep_for(10ms); }
///
///     Scheduler scheduler{{.name = "ticker"}};
///     scheduler.spawn({.name = "tick"}, tick());
///     scheduler.run();
///
/// Every transition of every task goes through the hooks of tiffany/telemetry. docs/scheduler.md says more.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <tiffany/scheduler/await.hpp>        // IWYU pragma: export
#include <tiffany/scheduler/errors.hpp>       // IWYU pragma: export
#include <tiffany/scheduler/event.hpp>        // IWYU pragma: export
#include <tiffany/scheduler/task.hpp>         // IWYU pragma: export
#include <tiffany/scheduler/task_handle.hpp>  // IWYU pragma: export
#include <tiffany/telemetry/hooks.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace tiffany {

namespace detail {
class Engine;
}

struct SchedulerOptions {
    std::string_view name = "scheduler";  ///< in traces and metrics
    std::chrono::nanoseconds quantum{
        std::chrono::milliseconds{5}};  ///< a yield after a longer run is Throttled(0); 0 = none
    Clock* clock = nullptr;             ///< null: Clock::system(); must outlive the scheduler
    bool metrics = true;                ///< count transitions and times
};

/// What a spawn says of a task.
struct SpawnOptions {
    const char* name = "task";   ///< what kind of task it is; must live as long as the task: a string literal
    std::uint8_t priority = 10;  ///< 0 is the most urgent; first come, first served within one
    std::uint16_t group = 0;     ///< from SchedulerTelemetry::group(); 0 = the default one
    /// It begins when these have finished; when one of them fails or is cancelled, it is cancelled (cause dependency).
    std::vector<TaskHandle> dependencies = {};
    std::chrono::nanoseconds budget{0};  ///< how long it may run in each period; 0 = no limit
    std::chrono::nanoseconds budget_period{std::chrono::milliseconds{100}};
};

/// Belongs to the thread that makes it: that thread alone calls its functions, but for those that say otherwise.
class Scheduler {
  public:
    /// Errors: std::bad_alloc; std::system_error when the system gives no epoll or eventfd.
    explicit Scheduler(const SchedulerOptions& options = {}) : Scheduler{options, HooksOf{}} {}
    /// As `close()`.
    ~Scheduler();
    Scheduler(const Scheduler&) = delete;
    Scheduler& operator=(const Scheduler&) = delete;

    /// Begins a task; fires Spawned. It does not run before this returns. Any thread while the scheduler lives (its
    /// dependencies are then looked at when the scheduler comes to it). A result of the coroutine is dropped. After
    /// `close()` the coroutine is dropped, and the handle stands for no task. Errors: std::bad_alloc.
    template <typename T>
    TaskHandle spawn(const SpawnOptions& options, Task<T> task, Site site = Site::here()) {
        return spawn_frame(options, std::move(task.frame_), site);
    }

    /// Runs tasks until none is alive, or `stop()`. Blocks while all wait. With a virtual clock: as run_until_idle().
    void run();
    /// Runs tasks until none is ready now; blocks never.
    void run_until_idle();
    /// Makes `run` return after the task that runs now; a later `run` goes on. Any thread.
    void stop() noexcept;
    /// Has a function called on the scheduler's thread, between two tasks; not at all if the scheduler ends first. The
    /// function throws nothing. Any thread. Errors: std::bad_alloc.
    void post(std::function<void()> function);

    /// Asks all tasks to end, as TaskHandle::cancel does, with cause shutdown.
    void shutdown() noexcept;
    /// Ends all tasks where they are (Cancelled, cause destroyed; nobody who joins them is woken), destroys their
    /// coroutines and gives the thread's worker back. Not from within a task. `telemetry()` may be asked after that.
    void close() noexcept;

    /// The live task with that number, or none. Cost: a walk over all tasks.
    TaskHandle find(std::uint64_t tid) const noexcept;
    /// Tasks that have not ended.
    std::size_t live() const noexcept;
    /// The scheduler's time: what deadlines are compared with, ns. Any thread.
    std::uint64_t now_ns() const noexcept;
    SchedulerTelemetry& telemetry() noexcept;

  private:
    // named in the constructor that the library has, so that a caller without hooks cannot link a library with them
    using HooksOf = std::type_identity<SchedulerTelemetry>;
    Scheduler(const SchedulerOptions& options, HooksOf);

    TaskHandle spawn_frame(const SpawnOptions& options, detail::Frame frame, Site site);

    std::unique_ptr<detail::Engine> engine_;
};

}  // namespace tiffany
