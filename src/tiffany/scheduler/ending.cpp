// Tasks end: by themselves, by a failed dependency, with the scheduler.

#include <exception>
#include <tiffany/scheduler/errors.hpp>
#include <utility>

#include "engine.hpp"

namespace tiffany::detail {

void Engine::end_run(TaskCore& task) noexcept {
    const std::exception_ptr error = std::move(task.root.promise()->error);
    task.root.reset();  // what the parameters' destructors do is a part of the run
    current_ = nullptr;
    try {
        if (error) std::rethrow_exception(error);
        worker_->done(task.life);
    } catch (const TaskCancelled& cancelled) {
        if (task.delivered && cancelled.tid() == task.life.tid()) {
            worker_->cancelled(task.life, task.delivered->cause, task.delivered->canceller);
        } else {
            fail(task, cancelled.what());  // somebody threw it on his own account
        }
    } catch (const std::exception& failure) {
        fail(task, failure.what());
    } catch (...) {
        fail(task, "an exception that is no std::exception");
    }
    end(task);
}

void Engine::fail(TaskCore& task, const char* error) {
    task.error = error;
    worker_->failed(task.life, task.error);
}

void Engine::cancel_unstarted(TaskCore& task, CancelCause cause, std::uint64_t canceller) noexcept {
    detach(task);
    task.root.reset();
    worker_->cancelled(task.life, cause, canceller);
    end(task);
}

void Engine::end(TaskCore& task) noexcept {
    unlink_live(task);
    task.next_ready = nullptr;
    (ended_tail_ != nullptr ? ended_tail_->next_ready : ended_head_) = &task;
    ended_tail_ = &task;
    if (!telling_) tell_ended();
}

void Engine::tell_ended() noexcept {
    telling_ = true;
    while (ended_head_ != nullptr) {
        TaskCore& task = *ended_head_;
        while (!task.joiners.empty())
            make_ready(*task.joiners.front(), WakeCause::join, task.life.tid());
        tell_dependents(task);
        ended_head_ = task.next_ready;
        if (ended_head_ == nullptr) ended_tail_ = nullptr;
        const auto last_hold = std::move(task.self);
    }
    telling_ = false;
}

void Engine::tell_dependents(TaskCore& ended) noexcept {
    const auto dependents = std::exchange(ended.dependents, {});
    for (const auto& dependent : dependents) {
        if (dependent->waits_for != WaitsFor::dependencies) continue;  // cancelled meanwhile
        if (ended.life.state() != TaskState::Finished) {
            cancel_unstarted(*dependent, CancelCause::dependency, ended.life.tid());
        } else if (--dependent->dependencies_left == 0) {
            make_ready(*dependent, WakeCause::dependency, ended.life.tid());
        }
    }
}

void Engine::shutdown() noexcept {
    for (TaskCore* task = live_; task != nullptr; task = task->live_after)
        cancel(*task, CancelCause::shutdown);
}

void Engine::close() noexcept {
    if (closed_) return;
    closed_ = true;
    inbox_->close();
    for (const auto& task : inbox_->take().spawned)
        link_live(*task);
    ready_.clear();
    while (live_ != nullptr) {
        TaskCore& task = *live_;
        unlink_live(task);
        detach(task);
        worker_->cancelled(task.life, CancelCause::destroyed);
        task.joiners.clear();
        task.dependents.clear();
        const auto last_hold = std::move(task.self);
        Frame::destroy_from(task.leaf);
    }
    worker_ = LifeHooksLease{};
}

TaskHandle Engine::find(std::uint64_t tid) const noexcept {
    for (TaskCore* task = live_; task != nullptr; task = task->live_after)
        if (task->life.tid() == tid) return TaskHandle{task->self};
    return {};
}

}  // namespace tiffany::detail
