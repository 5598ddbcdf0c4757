#include "inbox.hpp"

#include <utility>

#include "poller.hpp"
#include "task_core.hpp"
#include "task_life.hpp"

namespace tiffany::detail {

bool Inbox::give_spawned(const std::shared_ptr<TaskCore>& task, const SpawnInfo& info) {
    const std::lock_guard lock{mutex_};
    if (closed_) return false;
    contents_.spawned.push_back(task);  // before the hook, because it may throw
    life_hooks_here(*telemetry_).spawned(task->life, info);
    gave();
    return true;
}

bool Inbox::give_function(std::function<void()> function) {
    const std::lock_guard lock{mutex_};
    if (closed_) return false;
    contents_.functions.push_back(std::move(function));
    gave();
    return true;
}

void Inbox::wake(TaskCore& task) {
    const std::lock_guard lock{mutex_};
    if (closed_) return;
    if (!task.wakeable) {
        task.woken = true;
        return;
    }
    contents_.woken.push_back(&task);  // before the hook, because it may throw; nobody reads it before the lock is free
    task.wakeable = false;
    life_hooks_here(*telemetry_).ready(task.life, WakeCause::external);
    gave();
}

Inbox::Contents Inbox::take() {
    const std::lock_guard lock{mutex_};
    any_.store(false, std::memory_order_relaxed);
    return std::exchange(contents_, {});
}

bool Inbox::sleep() noexcept {
    const std::lock_guard lock{mutex_};
    asleep_ = !any_.load(std::memory_order_relaxed);
    return asleep_;
}

void Inbox::rise() noexcept {
    const std::lock_guard lock{mutex_};
    asleep_ = false;
}

void Inbox::interrupt() noexcept {
    const std::lock_guard lock{mutex_};
    if (closed_) return;
    gave();
}

void Inbox::close() noexcept {
    const std::lock_guard lock{mutex_};
    closed_ = true;
}

void Inbox::gave() noexcept {
    any_.store(true, std::memory_order_release);
    if (std::exchange(asleep_, false)) poller_->interrupt();
}

}  // namespace tiffany::detail
