#pragma once
/// What a task awaits: time, other tasks, file descriptors, a wake.
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
/// Each await is a place where a cancellation arrives, as TaskCancelled. One that need not wait, because the joined
/// task has ended, the descriptor is ready or the event is set, goes on at once and fires no event. Only in coroutines
/// that return a Task.

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <tiffany/scheduler/detail/chain.hpp>
#include <tiffany/scheduler/task_handle.hpp>
#include <utility>

namespace tiffany {

class Scheduler;

/// As a time-out: none.
inline constexpr std::chrono::nanoseconds kForever = std::chrono::nanoseconds::max();

namespace detail {

enum class Direction : std::uint8_t { read, write };

// What the awaiters do; each returns whether the task is suspended.
bool suspend_yield(Chain& chain) noexcept;
bool suspend_sleep_for(Chain& chain, std::chrono::nanoseconds time) noexcept;
bool suspend_sleep_until(Chain& chain, std::uint64_t deadline_ns) noexcept;
bool suspend_until_woken(Chain& chain) noexcept;
bool suspend_join(Chain& chain, TaskCore* target, std::chrono::nanoseconds timeout) noexcept;
bool suspend_io(Chain& chain, int fd, Direction direction, std::chrono::nanoseconds timeout) noexcept;
/// Throws TaskCancelled if a request is pending.
void resume(Chain& chain);
/// The same; returns whether the wait was not ended by its time-out.
bool resume_timed(Chain& chain);
/// Throws what the end of the target says.
void throw_unless_finished(const TaskCore* target);
TaskHandle handle_of(Chain& chain) noexcept;
Scheduler& scheduler_of(Chain& chain) noexcept;

/// An await that `Suspend`, called with the chain, carries out.
template <typename Suspend>
class Awaiter {
  public:
    explicit Awaiter(Suspend suspend) : suspend_{std::move(suspend)} {}
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    bool await_suspend(std::coroutine_handle<P> caller) {
        chain_ = caller.promise().chain;
        return suspend_(*chain_);
    }
    void await_resume() { resume(*chain_); }

  protected:
    Chain* chain_ = nullptr;

  private:
    Suspend suspend_;
};

/// The same with a time-out: co_await gives false if it was that.
template <typename Suspend>
class TimedAwaiter : public Awaiter<Suspend> {
  public:
    explicit TimedAwaiter(Suspend suspend) : Awaiter<Suspend>{std::move(suspend)} {}
    bool await_resume() { return resume_timed(*this->chain_); }
};

class JoinAwaiter {
  public:
    JoinAwaiter(TaskHandle target, std::chrono::nanoseconds timeout) : target_{std::move(target)}, timeout_{timeout} {}
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    bool await_suspend(std::coroutine_handle<P> caller) {
        chain_ = caller.promise().chain;
        return suspend_join(*chain_, target_.core().get(), timeout_);
    }
    bool await_resume() {
        if (!resume_timed(*chain_)) return false;
        throw_unless_finished(target_.core().get());
        return true;
    }

  private:
    TaskHandle target_;
    std::chrono::nanoseconds timeout_;
    Chain* chain_ = nullptr;
};

class [[nodiscard]] JoinForever : public JoinAwaiter {
  public:
    using JoinAwaiter::JoinAwaiter;
    void await_resume() { JoinAwaiter::await_resume(); }
};

class ThisTask {
  public:
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    bool await_suspend(std::coroutine_handle<P> caller) noexcept {
        chain_ = caller.promise().chain;
        return false;
    }
    TaskHandle await_resume() const noexcept { return handle_of(*chain_); }

  protected:
    Chain* chain_ = nullptr;
};

class ThisScheduler : public ThisTask {
  public:
    Scheduler& await_resume() const noexcept { return scheduler_of(*chain_); }
};

}  // namespace detail

/// Gives way to tasks that are ready and not less urgent. Fires Yield; Throttled(0) if the run was longer than the
/// quantum; Throttled(t), and waits t, if the task is past its budget.
[[nodiscard]] inline auto yield() noexcept {
    return detail::Awaiter{[](detail::Chain& chain) { return detail::suspend_yield(chain); }};
}

/// Sleeps. Fires Sleep; a time that is not above 0 is a yield.
[[nodiscard]] inline auto sleep_for(std::chrono::nanoseconds time) noexcept {
    return detail::Awaiter{[time](detail::Chain& chain) { return detail::suspend_sleep_for(chain, time); }};
}

/// Sleeps until `Scheduler::now_ns()` is `deadline_ns`. Fires Sleep; a deadline that is over is a yield.
[[nodiscard]] inline auto sleep_until(std::uint64_t deadline_ns) noexcept {
    return detail::Awaiter{
        [deadline_ns](detail::Chain& chain) { return detail::suspend_sleep_until(chain, deadline_ns); }};
}

/// Sleeps until `TaskHandle::wake()`. Fires Sleep with time 0; if the wake came first, it is a yield.
[[nodiscard]] inline auto sleep_until_woken() noexcept {
    return detail::Awaiter{[](detail::Chain& chain) { return detail::suspend_until_woken(chain); }};
}

/// Waits for the end of a task. Fires Join. Errors: TargetFailed, TargetCancelled; std::logic_error if a task joins
/// itself.
inline auto join(TaskHandle target) {
    return detail::JoinForever{std::move(target), kForever};
}
/// The same; co_await gives false when the time was over first.
[[nodiscard]] inline auto join_for(TaskHandle target, std::chrono::nanoseconds timeout) {
    return detail::JoinAwaiter{std::move(target), timeout};
}

/// Waits until a descriptor can be read (data, end, or an error to fetch). Fires IoWait. co_await gives false when the
/// time was over first. Errors: std::system_error. A descriptor is not closed while a task waits for it.
inline auto readable(int fd, std::chrono::nanoseconds timeout = kForever) {
    return detail::TimedAwaiter{[fd, timeout](detail::Chain& chain) {
        return detail::suspend_io(chain, fd, detail::Direction::read, timeout);
    }};
}
/// The same for writing.
inline auto writable(int fd, std::chrono::nanoseconds timeout = kForever) {
    return detail::TimedAwaiter{[fd, timeout](detail::Chain& chain) {
        return detail::suspend_io(chain, fd, detail::Direction::write, timeout);
    }};
}

/// The running task itself; never suspends, and a cancellation does not arrive here.
[[nodiscard]] inline auto this_task() noexcept {
    return detail::ThisTask{};
}
/// The scheduler that runs this task; never suspends.
[[nodiscard]] inline auto this_scheduler() noexcept {
    return detail::ThisScheduler{};
}

}  // namespace tiffany
