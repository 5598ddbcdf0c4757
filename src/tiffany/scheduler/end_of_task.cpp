// How a task ends, and what is told of it.

#include <exception>
#include <new>
#include <tiffany/scheduler/await.hpp>
#include <utility>

#include "engine.hpp"
#include "loop.hpp"

namespace tiffany::detail {

void Loop::finish(TaskCore& task) noexcept {
    std::exception_ptr failure;
    if (task.failed) failure = std::exchange(error, nullptr);
    Result result{nullptr, [](void*) {}};
    if (!failure && task.extras() != nullptr && task.extras()->keep_result != nullptr) {
        try {
            result = task.extras()->keep_result(*task.leaf);
        } catch (...) {
            failure = std::current_exception();
        }
    }
    std::exchange(task.leaf, nullptr)->self().destroy();  // what its parameters' destructors do is a part of the run
    End end = failure ? end_of(task, failure) : End{};
    running_ = nullptr;
    const Stamp now = end_of_run();
    {
        const Guard guard{*engine_};
        if (result) task.extras()->result = std::move(result);
        end_with(task, end, now);
        engine_->tell_end(task, moment_of_wakes(now));
    }
    last_end_ = {};  // what was destroyed after it is no part of the next run
}

/// What left the task, in words; without the lock, because they may be a user's.
Loop::End Loop::end_of(TaskCore& task, const std::exception_ptr& failure) noexcept {
    try {
        End end = told_by(task, failure);
        if (end.error) task.with_extras();  // for what end_with keeps
        return end;
    } catch (const std::bad_alloc&) {
        return {.error = failure};  // that it failed is told, and not why
    }
}

Loop::End Loop::told_by(const TaskCore& task, const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const TaskCancelled& cancelled) {
        if (task.cancel_delivered && cancelled.tid() == task.life.tid())
            return {TaskEvent::Cancelled, cancelled.cause(), cancelled.canceller(), {}, {}};
        return {.error = failure, .message = cancelled.what()};  // somebody threw it on his own account
    } catch (const TargetFailed& failed) {
        // of a chain of tasks that each joined the next the first error is told, however long the chain is
        const bool again = failed.message().starts_with(TargetFailed::kWhat);
        return {.error = failed.error() ? failed.error() : failure,
                .message = again ? failed.message() : failed.what()};
    } catch (const std::exception& exception) {
        return {.error = failure, .message = exception.what()};
    } catch (...) {
        return {.error = failure, .message = "an exception that is no std::exception"};
    }
}

void Loop::end_with(TaskCore& task, End& end, Stamp at) noexcept {
    if (end.error) {
        worker_->failed(task.life, end.message, at);
        if (TaskExtras* const extras = task.extras()) {
            extras->error = std::move(end.error);
            extras->message = std::move(end.message);
        }
    } else if (end.how == TaskEvent::Cancelled) {
        worker_->cancelled(task.life, end.cause, end.canceller, at);
    } else {
        worker_->done(task.life, at);
    }
}

void Loop::cancel_unstarted(TaskCore& task) noexcept {
    Frame::destroy_from(std::exchange(task.leaf, nullptr));
    const Stamp now = end_of_run();
    last_end_ = {};
    const Guard guard{*engine_};
    const auto cause = static_cast<CancelCause>(task.cancel_pending.load(std::memory_order_relaxed) - 1);
    worker_->cancelled(task.life, cause, task.canceller, now);
    engine_->tell_end(task, moment_of_wakes(now));
}

/// With the lock held: when those are woken who waited for a task that ended at `end`. With many loops one of them may
/// have begun to wait since.
Stamp Loop::moment_of_wakes(Stamp end) noexcept {
    return many_ ? worker_->now() : end;
}

}  // namespace tiffany::detail
