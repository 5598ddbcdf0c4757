// Tasks suspend, and are woken.

#include <algorithm>
#include <limits>
#include <mutex>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine.hpp"

namespace tiffany::detail {
namespace {

std::uint64_t count_of(std::chrono::nanoseconds time) {
    return time.count() <= 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

/// A time-out may be as long as it likes.
std::uint64_t later(std::uint64_t now_ns, std::uint64_t by_ns) {
    return by_ns > std::numeric_limits<std::uint64_t>::max() - now_ns ? std::numeric_limits<std::uint64_t>::max()
                                                                      : now_ns + by_ns;
}

TaskCore& task_of(Chain& chain) {
    return static_cast<TaskCore&>(chain);
}

/// A cancellation that is pending is thrown instead of a suspension.
template <typename Suspend>
bool unless_cancelled(Chain& chain, Suspend suspend) noexcept {
    TaskCore& task = task_of(chain);
    task.timed_out = false;
    return !task.requested && suspend(*task.engine, task);
}

}  // namespace

// ---- what the awaiters call ----

bool suspend_yield(Chain& chain) noexcept {
    return unless_cancelled(chain, [](Engine& engine, TaskCore& task) { return engine.yield(task); });
}

bool suspend_sleep_for(Chain& chain, std::chrono::nanoseconds time) noexcept {
    return unless_cancelled(chain, [=](Engine& engine, TaskCore& task) { return engine.sleep_for(task, time); });
}

bool suspend_sleep_until(Chain& chain, std::uint64_t deadline_ns) noexcept {
    return unless_cancelled(chain,
                            [=](Engine& engine, TaskCore& task) { return engine.sleep_until(task, deadline_ns); });
}

bool suspend_until_woken(Chain& chain) noexcept {
    return unless_cancelled(chain, [](Engine& engine, TaskCore& task) { return engine.sleep_until_woken(task); });
}

bool suspend_join(Chain& chain, TaskCore* target, std::chrono::nanoseconds timeout) noexcept {
    return unless_cancelled(chain, [=](Engine& engine, TaskCore& task) {
        return target != nullptr && target != &task && target->engine == &engine && engine.join(task, *target, timeout);
    });
}

bool suspend_io(Chain& chain, int fd, Direction direction, std::chrono::nanoseconds timeout) noexcept {
    return unless_cancelled(
        chain, [=](Engine& engine, TaskCore& task) { return engine.wait_io(task, fd, direction, timeout); });
}

void resume(Chain& chain) {
    TaskCore& task = task_of(chain);
    if (!task.requested) return;
    task.delivered = std::exchange(task.requested, std::nullopt);
    throw TaskCancelled{task.life.tid(), task.delivered->cause};
}

bool resume_timed(Chain& chain) {
    resume(chain);
    TaskCore& task = task_of(chain);
    if (task.io_error) throw std::system_error{std::exchange(task.io_error, {}), "cannot wait for the descriptor"};
    return !task.timed_out;
}

void throw_unless_finished(const TaskCore* target) {
    if (target == nullptr) throw std::logic_error{"cannot join: the handle stands for no task"};
    switch (target->life.state()) {
        case TaskState::Finished:
            return;
        case TaskState::Failed:
            throw TargetFailed{target->life.tid(), target->error};
        case TaskState::Cancelled:
            throw TargetCancelled{target->life.tid()};
        default:
            throw std::logic_error{"cannot join: it is the task itself, or a task of another scheduler"};
    }
}

TaskHandle handle_of(Chain& chain) noexcept {
    return TaskHandle{task_of(chain).self};
}

Scheduler& scheduler_of(Chain& chain) noexcept {
    return task_of(chain).engine->scheduler();
}

// ---- the running task suspends ----

bool Engine::yield(TaskCore& task) noexcept {
    give_way(task, true);
    return true;
}

/// @param may_park  false: what became a yield because its wake came first stays Ready
void Engine::give_way(TaskCore& task, bool may_park) noexcept {
    const std::uint64_t run_ns = clock_->to_ns(clock_->ticks() - run_began_);
    if (may_park && task.budget.limited()) {
        task.budget.charge(run_ns);
        task.run_charged = true;
        const std::uint64_t now = now_ns();
        const std::uint64_t park_ns = task.budget.park_ns(now);
        if (park_ns != 0) {
            worker_->throttled(task.life, park_ns);
            task.waits_for = WaitsFor::quota;
            timers_.add(task, later(now, park_ns));
            return;
        }
    }
    if (quantum_ns_ != 0 && run_ns > quantum_ns_) {
        worker_->throttled(task.life, 0);
    } else {
        worker_->yield(task.life);
    }
    ready_.push(task);
}

bool Engine::sleep_for(TaskCore& task, std::chrono::nanoseconds time) noexcept {
    const std::uint64_t dur_ns = count_of(time);
    if (dur_ns == 0)
        give_way(task, false);
    else
        begin_sleep(task, dur_ns, later(now_ns(), dur_ns));
    return true;
}

bool Engine::sleep_until(TaskCore& task, std::uint64_t deadline_ns) noexcept {
    const std::uint64_t now = now_ns();
    if (deadline_ns <= now)
        give_way(task, false);
    else
        begin_sleep(task, deadline_ns - now, deadline_ns);
    return true;
}

void Engine::begin_sleep(TaskCore& task, std::uint64_t dur_ns, std::uint64_t deadline_ns) noexcept {
    worker_->sleep(task.life, dur_ns);
    task.waits_for = WaitsFor::sleep;
    timers_.add(task, deadline_ns);
}

bool Engine::sleep_until_woken(TaskCore& task) noexcept {
    {
        const std::lock_guard lock{inbox_->mutex()};  // another thread may wake it as soon as it is wakeable
        if (!std::exchange(task.woken, false)) {
            worker_->sleep(task.life, 0);
            task.waits_for = WaitsFor::wake;
            task.wakeable = true;
            return true;
        }
    }
    give_way(task, false);
    return true;
}

bool Engine::is_over(TaskCore& task, std::chrono::nanoseconds timeout) noexcept {
    task.timed_out = timeout.count() <= 0;
    return task.timed_out;
}

void Engine::begin_wait(TaskCore& task, WaitsFor waits_for, std::chrono::nanoseconds timeout) noexcept {
    task.waits_for = waits_for;
    if (timeout != kForever) timers_.add(task, later(now_ns(), count_of(timeout)));
}

bool Engine::join(TaskCore& task, TaskCore& target, std::chrono::nanoseconds timeout) noexcept {
    if (has_ended(target) || is_over(task, timeout)) return false;
    worker_->join(task.life, target.life.tid());
    target.joiners.add(task);
    begin_wait(task, WaitsFor::join, timeout);
    return true;
}

bool Engine::wait_io(TaskCore& task, int fd, Direction direction, std::chrono::nanoseconds timeout) noexcept {
    if (Poller::is_ready(fd, direction, task.io_error) || task.io_error || is_over(task, timeout)) return false;
    // before the hook, because it may be refused: nobody but this thread will hear of it
    task.io_error = poller_.add(task, fd, direction);
    if (task.io_error) return false;
    worker_->iowait(task.life, static_cast<std::uint64_t>(fd));
    begin_wait(task, WaitsFor::io, timeout);
    return true;
}

bool Engine::wait(TaskCore& task, WaitList& list, std::uint64_t event, std::chrono::nanoseconds timeout) noexcept {
    if (is_over(task, timeout)) return false;
    worker_->wait(task.life, WaitReason::event, event);
    list.add(task);
    begin_wait(task, WaitsFor::event, timeout);
    return true;
}

// ---- tasks are woken ----

void Engine::detach(TaskCore& task) noexcept {
    timers_.remove(task);
    poller_.remove(task);
    WaitList::remove(task);
    task.waits_for = WaitsFor::nothing;
}

void Engine::make_ready(TaskCore& task, WakeCause cause, std::uint64_t waker, std::uint64_t late_ns) noexcept {
    detach(task);
    if (closed_) return;
    worker_->ready(task.life, cause, waker, late_ns);
    ready_.push(task);
}

void Engine::wake(TaskCore& task) noexcept {
    const std::lock_guard lock{inbox_->mutex()};
    if (std::exchange(task.wakeable, false)) {
        make_ready(task, WakeCause::event, current_tid());
    } else {
        task.woken = true;
    }
}

bool Engine::cancel(TaskCore& task, CancelCause cause) noexcept {
    if (task.requested) return false;
    task.requested = CancelRequest{cause, current_tid()};
    switch (task.waits_for) {
        case WaitsFor::nothing:
            break;  // it is Ready, or it runs
        case WaitsFor::wake: {
            const std::lock_guard lock{inbox_->mutex()};
            // else another thread woke it just now, and it is Ready
            if (std::exchange(task.wakeable, false)) make_ready(task, WakeCause::cancel, current_tid());
            break;
        }
        default:
            make_ready(task, WakeCause::cancel, current_tid());
    }
    return true;
}

}  // namespace tiffany::detail
