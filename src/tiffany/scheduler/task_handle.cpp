#include <tiffany/scheduler/task_handle.hpp>

#include "engine.hpp"

namespace tiffany {

namespace detail {

void hold(TaskCore& task) noexcept {
    task.holds.fetch_add(1, std::memory_order_relaxed);
}

void let_go(TaskCore& task) noexcept {
    TaskStore::give_up(task, 1);
}

void* result_of(const TaskHandle& task) noexcept {
    if (!task.ended()) return nullptr;
    const TaskCore& core = *task.core();
    return core.extras() != nullptr ? core.extras()->result.get() : nullptr;
}

namespace {

/// The scheduler, while it may be called by this thread, which is not one of its own.
class Visit {
  public:
    explicit Visit(TaskStore& store) noexcept : store_{store}, engine_{store.come()} {}
    ~Visit() {
        if (engine_ != nullptr) store_.leave();
    }
    Visit(const Visit&) = delete;
    Visit& operator=(const Visit&) = delete;
    Engine* engine() const noexcept { return engine_; }

  private:
    TaskStore& store_;
    Engine* engine_;
};

/// Returns whether the task was asleep: then the caller makes it ready. Else its next sleep ends at once.
bool leave_wake(TaskCore& task) noexcept {
    WakeState seen = task.wake.load(std::memory_order_relaxed);
    do {
        if (seen == WakeState::woken) return false;
        // acquire: the task is seen as it fell asleep; release: what was done before the wake is seen by the task
    } while (!task.wake.compare_exchange_weak(seen, seen == WakeState::asleep ? WakeState::idle : WakeState::woken,
                                              std::memory_order_acq_rel, std::memory_order_relaxed));
    return seen == WakeState::asleep;
}

}  // namespace
}  // namespace detail

std::uint64_t TaskHandle::tid() const noexcept {
    return core_ != nullptr ? core_->life.tid() : 0;
}

TaskState TaskHandle::state() const noexcept {
    return core_ != nullptr ? core_->life.state() : TaskState::None;
}

bool TaskHandle::ended() const noexcept {
    return core_ != nullptr && detail::has_ended(*core_);
}

const std::string& TaskHandle::error() const noexcept {
    static const std::string none;
    return ended() && core_->extras() != nullptr ? core_->extras()->message : none;
}

bool TaskHandle::cancel() const {
    if (core_ == nullptr || ended()) return false;
    const detail::Visit visit{detail::TaskStore::of(*core_)};
    detail::Engine* const engine = visit.engine();
    if (engine == nullptr) return false;
    if (engine->is_many() || engine->home() != nullptr) {
        const detail::Guard guard{*engine};
        return engine->cancel(*core_, CancelCause::asked);
    }
    if (core_->cancel_pending.load(std::memory_order_relaxed) != 0) return false;
    engine->post([task = *this] { task.cancel(); });
    return true;
}

void TaskHandle::wake() const noexcept {
    if (core_ == nullptr) return;
    const detail::Visit visit{detail::TaskStore::of(*core_)};
    detail::Engine* const engine = visit.engine();
    if (engine == nullptr) return;
    if (engine->home() != nullptr) {
        const detail::Guard guard{*engine};
        if (detail::leave_wake(*core_)) engine->make_ready(*core_, WakeCause::event, engine->current_tid());
        return;
    }
    if (!detail::leave_wake(*core_)) return;
    detail::life_hooks_here(engine->telemetry()).ready(core_->life, WakeCause::external);
    detail::Loop& loop = detail::loop_of(*core_);
    loop.inbox().push(*core_);
    if (!loop.rouse()) engine->wake_one();
}

}  // namespace tiffany
