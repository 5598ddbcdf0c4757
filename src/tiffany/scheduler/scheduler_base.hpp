#pragma once
/// What a Scheduler and a SchedulerPool have in common; what `this_scheduler()` gives.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <tiffany/scheduler/detail/awaiters.hpp>
#include <tiffany/scheduler/detail/result.hpp>
#include <tiffany/scheduler/errors.hpp>
#include <tiffany/scheduler/scheduler_options.hpp>
#include <tiffany/scheduler/task.hpp>
#include <tiffany/scheduler/task_handle.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <type_traits>
#include <utility>

namespace tiffany {

namespace detail {
class Engine;

template <typename T>
Result keep_result(Promise& promise) {
    auto& typed = static_cast<TaskPromise<T>&>(promise);
    return {new T(typed.take()), [](void* value) { delete static_cast<T*>(value); }};
}
}  // namespace detail

class SchedulerBase {
  public:
    SchedulerBase(const SchedulerBase&) = delete;
    SchedulerBase& operator=(const SchedulerBase&) = delete;

    /// Begins a task; fires Spawned. Any thread while the scheduler lives. From one that is not the scheduler's it goes
    /// through an inbox without a lock, and its dependencies are looked at when the scheduler comes to it. Cost: memory
    /// for the task, under a lock that is held for some instructions, and each 250th time for the allocation of room
    /// for as many tasks; the first call of another thread takes a worker for it.
    ///
    /// Returns a TaskHandle; for a coroutine that returns a T, a ResultHandle<T>.
    ///
    /// Errors, and then there is no task, and the coroutine is destroyed: SpawnRefused, the bound on live tasks is
    /// reached, or the scheduler shuts down or is closed; std::invalid_argument, a dependency is no task of this
    /// scheduler, or a tid that nobody has a handle of, or a budget has no period; std::out_of_range, no such worker;
    /// std::bad_alloc.
    template <typename T>
    auto spawn(const SpawnOptions& options, Task<T> task, Site site = Site::here()) {
        if constexpr (std::is_void_v<T>)
            return spawn_frame(options, std::move(task.frame_), site, nullptr);
        else
            return ResultHandle<T>{spawn_frame(options, std::move(task.frame_), site, &detail::keep_result<T>)};
    }

    /// Has a function called on the scheduler's thread, one of them, between two tasks; not at all if the scheduler
    /// ends first. What it makes ready, or spawns, counts as ready since this call. The function throws nothing: if it
    /// does, the program ends. Any thread. Errors: std::bad_alloc.
    void post(std::function<void()> function);

    /// Asks the task with that number, a live one, to end. Returns whether there is one, and it was not asked already.
    /// A thread of the scheduler's.
    bool cancel(std::uint64_t tid);
    /// Asks all tasks to end, as TaskHandle::cancel does, with cause shutdown. A Scheduler's own thread; of a pool any.
    /// Errors, and nobody was asked: std::logic_error, another thread runs the Scheduler; std::bad_alloc.
    void cancel_all();
    /// Makes `run()` of a Scheduler, or each `wait()` of a pool that goes on now, return soon; the next one, if there
    /// is none now. Any thread.
    void stop() noexcept;

    /// The live task with that number, or none. Any thread. Locks for a moment.
    TaskHandle find(std::uint64_t tid) const noexcept;
    /// Tasks that have not ended. Any thread.
    std::size_t live() const noexcept;
    /// The scheduler's time: what deadlines are compared with, ns. Any thread.
    std::uint64_t now_ns() const noexcept;
    SchedulerTelemetry& telemetry() noexcept;

  protected:
    explicit SchedulerBase(std::unique_ptr<detail::Engine> engine) noexcept;
    ~SchedulerBase();

    std::unique_ptr<detail::Engine> engine_;

  private:
    TaskHandle spawn_frame(const SpawnOptions& options, detail::Frame frame, Site site, detail::KeepResult keep);
};

namespace detail {

template <typename T>
class [[nodiscard]] SpawnAwaiter : public ChainAwaiter {
  public:
    SpawnAwaiter(const SpawnOptions& options, Task<T> task, Site site)
        : options_{options}, task_{std::move(task)}, site_{site} {}
    auto await_resume() { return scheduler_of(*chain_).spawn(options_, std::move(task_), site_); }

  private:
    SpawnOptions options_;
    Task<T> task_;
    [[no_unique_address]] Site site_;
};

class [[nodiscard]] CancelAwaiter : public ChainAwaiter {
  public:
    explicit CancelAwaiter(std::uint64_t tid) noexcept : tid_{tid} {}
    bool await_resume() const { return scheduler_of(*chain_).cancel(tid_); }

  private:
    std::uint64_t tid_;
};

}  // namespace detail

/// In a task: begins another one on the same scheduler, as SchedulerBase::spawn; never suspends.
template <typename T>
detail::SpawnAwaiter<T> spawn(SpawnOptions options, Task<T> task, Site site = Site::here()) {
    return {options, std::move(task), site};
}
/// In a task: as SchedulerBase::cancel; never suspends.
inline detail::CancelAwaiter cancel(std::uint64_t tid) noexcept {
    return detail::CancelAwaiter{tid};
}

}  // namespace tiffany
