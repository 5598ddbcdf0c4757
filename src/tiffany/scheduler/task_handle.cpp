#include <tiffany/scheduler/task_handle.hpp>

#include "engine.hpp"

namespace tiffany {

std::uint64_t TaskHandle::tid() const noexcept {
    return core_->life.tid();
}

TaskState TaskHandle::state() const noexcept {
    return core_->life.state();
}

bool TaskHandle::ended() const noexcept {
    return detail::has_ended(*core_);
}

const std::string& TaskHandle::error() const noexcept {
    return core_->error;
}

bool TaskHandle::cancel() const noexcept {
    if (ended() || !core_->inbox->is_home()) return false;
    return core_->engine->cancel(*core_, CancelCause::asked);
}

void TaskHandle::wake() const {
    if (core_->inbox->is_home()) {
        core_->engine->wake(*core_);
    } else {
        core_->inbox->wake(*core_);
    }
}

}  // namespace tiffany
