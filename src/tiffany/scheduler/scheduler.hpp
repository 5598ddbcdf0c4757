#pragma once
/// A cooperative scheduler for coroutines, in one thread, that shows what it does.
///
///     Task<> tick() { co_await sleep_for(10ms); }
///
///     Scheduler scheduler{{.name = "ticker"}};
///     scheduler.spawn({.name = "tick"}, tick());
///     scheduler.run();
///
/// Every transition of every task goes through the hooks of tiffany/telemetry. docs/scheduler.md says more; a scheduler
/// with several threads is in scheduler_pool.hpp.

#include <chrono>
#include <tiffany/scheduler/await.hpp>           // IWYU pragma: export
#include <tiffany/scheduler/errors.hpp>          // IWYU pragma: export
#include <tiffany/scheduler/event.hpp>           // IWYU pragma: export
#include <tiffany/scheduler/scheduler_base.hpp>  // IWYU pragma: export
#include <tiffany/scheduler/task.hpp>            // IWYU pragma: export
#include <tiffany/scheduler/task_handle.hpp>     // IWYU pragma: export
#include <type_traits>

namespace tiffany {

/// Belongs to the thread that makes it: that thread alone calls its functions, but for those that say otherwise.
/// Another one may run it in its place while that one calls none of them; traces show the worker as the first one's.
///
/// What runs it (`run`, `run_until_idle`, `shutdown`) throws std::logic_error, which names the scheduler, and does
/// nothing, while it runs already: on another thread, or this call comes from within, from one of its tasks or a
/// function that was posted. A task may run another scheduler.
class Scheduler : public SchedulerBase {
  public:
    /// Errors: std::bad_alloc; std::system_error when the system gives no epoll or eventfd.
    explicit Scheduler(const SchedulerOptions& options = {}) : Scheduler{options, HooksOf{}} {}
    /// As `close()`, but for errors: no task of it runs.
    ~Scheduler();

    /// Runs tasks until none is alive, or `stop()`. Blocks while all wait. With a virtual clock it lets the time go on
    /// to the next deadline instead, and returns also when no time and no descriptor could wake a task. Errors:
    /// std::logic_error, as above.
    void run();
    /// Runs tasks until none is ready now; blocks never, and leaves a virtual clock alone. Errors: as `run()`.
    void run_until_idle();

    /// The end in good order: refuses new tasks from now on, runs those there are for `timeout` at most, then asks what
    /// is left to end (cause shutdown), and runs that for `timeout` at most. Returns whether nothing had to be asked.
    /// What does not end all the same is left to `close()`. A `stop()` meanwhile ends the part that goes on. Errors:
    /// std::logic_error, as `run()`; std::bad_alloc.
    bool shutdown(std::chrono::nanoseconds timeout);
    /// Ends all tasks where they are (Cancelled, cause destroyed; nobody who joins them is woken), destroys their
    /// coroutines and gives the thread's worker back. `telemetry()` may be asked after that. A function that was posted
    /// may call it. Errors, and nothing is done: std::logic_error, the call comes from within one of its tasks, or from
    /// another thread while it runs.
    void close();

  private:
    // named in the constructor that the library has, so that a caller without hooks cannot link a library with them
    using HooksOf = std::type_identity<SchedulerTelemetry>;
    Scheduler(const SchedulerOptions& options, HooksOf);
};

}  // namespace tiffany
