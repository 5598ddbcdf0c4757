#include <tiffany/pal/field.hpp>
#include <tiffany/pal/transition.hpp>

namespace tiffany::pal {

TaskState state_after(const Record& record) {
    if (record.info == nullptr || !record.info->is_transition()) return TaskState::None;
    switch (record.info->id) {
        case EventId::TaskSpawned:
            return static_cast<TaskState>(record.numbers[field::Spawned::state]);
        case EventId::TaskThrottled:
            return record.numbers[field::Throttled::park_ns] == 0 ? TaskState::Ready : TaskState::Throttled;
        default:
            return record.info->to.lowest();  // these lead to one state
    }
}

int ready_queue_change(const Record& record) {
    if (record.info == nullptr) return 0;
    switch (record.info->id) {
        case EventId::TaskRunning:
            return -1;
        case EventId::TaskCancelled:
            return record.numbers[field::Cancelled::from_state] == static_cast<std::uint64_t>(TaskState::Ready) ? -1 : 0;
        default:
            return state_after(record) == TaskState::Ready ? 1 : 0;
    }
}

}  // namespace tiffany::pal
