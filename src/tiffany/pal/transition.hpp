#pragma once
/// What a transition did to its task, and to the ready queue of its scheduler.
///
/// The queue's equation, of a scheduler's whole life so far: the sum of ready_queue_change() over its transitions is
/// the number of its tasks that are Ready.

#include <cstdint>
#include <tiffany/pal/field.hpp>
#include <tiffany/pal/record.hpp>

namespace tiffany::pal {

/// The state in which the task is after it. None: the record is no transition, or one that this version does not know.
inline TaskState state_after(const Record& record) {
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

/// 1: a push (Spawned into Ready, Ready, Yield, Throttled(0)); -1: a pop (Running, Cancelled from Ready); 0: neither.
inline int ready_queue_change(const Record& record) {
    if (record.info == nullptr) return 0;
    switch (record.info->id) {
        case EventId::TaskRunning:
            return -1;
        case EventId::TaskCancelled:
            return record.numbers[field::Cancelled::from_state] == static_cast<std::uint64_t>(TaskState::Ready) ? -1
                                                                                                                : 0;
        default:
            return state_after(record) == TaskState::Ready ? 1 : 0;
    }
}

}  // namespace tiffany::pal
