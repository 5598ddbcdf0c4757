#pragma once
/// What a task awaits: time, other tasks, file descriptors, a wake. (Things that tasks share: event.hpp, mutex.hpp,
/// semaphore.hpp, channel.hpp.)
///
///     co_await sleep_for(10ms);
///     co_await readable(fd);
///     co_await join(child);                    // throws TargetFailed, TargetCancelled
///     const bool ended = co_await join_for(child, 1s);
///     if (!ended) child.cancel();
///
/// With g++ 12.2 await into a local before you test it, as above: a coroutine without locals that awaits inside the
/// condition of an `if`, `while` or `switch` gets a broken frame (GCC bug 106188).
///
/// Each await of this page is a place where a cancellation arrives, as TaskCancelled (that of another Task is none:
/// what that one awaits is). One that need not wait, because the joined task has ended, the descriptor is ready or the
/// event is set, goes on at once and fires no event. Only in coroutines that return a Task. What these functions give
/// is awaited once. Cost: no allocation, but for a join that has to look for a cycle, and the first wait for a
/// descriptor.

#include <chrono>
#include <concepts>
#include <cstdint>
#include <string_view>
#include <tiffany/scheduler/detail/awaiters.hpp>
#include <tiffany/scheduler/task_handle.hpp>
#include <tiffany/telemetry/config.hpp>
#include <utility>

namespace tiffany {

/// Gives way to tasks that are ready and not less urgent. Fires Yield; Throttled(0) if the run was longer than the
/// quantum; Throttled(t), and waits t, if the task is past its budget.
inline detail::YieldAwaiter yield() noexcept {
    return {};
}

/// Sleeps. Fires Sleep; a time that is not above 0 is a yield.
template <std::convertible_to<std::chrono::nanoseconds> Duration>
detail::PlainAwaiter sleep_for(
    Duration time) noexcept {  // a template: no converted time has to lie in the task's frame
    return detail::PlainAwaiter{detail::WaitsFor::sleep_for, detail::count_of(time)};
}

/// Sleeps until `SchedulerBase::now_ns()` is `deadline_ns`. Fires Sleep; a deadline that is over is a yield.
inline detail::PlainAwaiter sleep_until(std::uint64_t deadline_ns) noexcept {
    return detail::PlainAwaiter{detail::WaitsFor::sleep_until, deadline_ns};
}

/// Sleeps until `TaskHandle::wake()`. Fires Sleep with time 0; if the wake came first, it is a yield.
inline detail::PlainAwaiter sleep_until_woken() noexcept {
    return detail::PlainAwaiter{detail::WaitsFor::wake};
}

/// Waits for the end of a task: a handle, or the tid of a task that somebody has a handle of. Fires Join. Errors:
/// TargetFailed, TargetCancelled; JoinCycle; std::invalid_argument, no such task in this scheduler.
inline detail::JoinAwaiter<false> join(TaskRef target) noexcept {
    return detail::JoinAwaiter<false>{std::move(target), kForever};
}
/// The same; co_await gives what the task returned, a copy.
template <std::copy_constructible T>
detail::ResultAwaiter<T> join(ResultHandle<T> target) noexcept {
    return detail::ResultAwaiter<T>{TaskRef{std::move(target)}, kForever};
}
/// The same; co_await gives false when the time was over first. May close a cycle, because it ends.
inline detail::JoinAwaiter<true> join_for(TaskRef target, std::chrono::nanoseconds timeout) noexcept {
    return detail::JoinAwaiter<true>{std::move(target), timeout};
}

/// Waits until a descriptor can be read (data, end, or an error to fetch). Fires IoWait. co_await gives false when the
/// time was over first. Errors: std::system_error. A descriptor is not closed while a task waits for it.
inline detail::IoAwaiter readable(int fd, std::chrono::nanoseconds timeout = kForever) noexcept {
    return detail::IoAwaiter{fd, detail::Direction::read, timeout};
}
/// The same for writing.
inline detail::IoAwaiter writable(int fd, std::chrono::nanoseconds timeout = kForever) noexcept {
    return detail::IoAwaiter{fd, detail::Direction::write, timeout};
}

/// The running task itself; never suspends, and a cancellation does not arrive here.
inline detail::CurrentTask current_task() noexcept {
    return {};
}
/// The scheduler that runs this task; never suspends.
inline detail::CurrentScheduler this_scheduler() noexcept {
    return {};
}

#if TIFFANY_TELEMETRY
/// Tells the tracers what the application knows of the task that runs on this thread: a trace id, a tenant. No await:
/// any function that the task calls may do so. Fires `Note`, with the key cut at 31 bytes and the value at 127. Where
/// no task runs (a function that was posted, another thread, a frame that close() destroys): does nothing. Cost: as
/// Worker::note, a thread-local load and a call.
void note(std::string_view key, std::string_view value) noexcept;
#else
inline void note(std::string_view, std::string_view) noexcept {}
#endif

}  // namespace tiffany
