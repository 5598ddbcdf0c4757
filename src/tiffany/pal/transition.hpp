#pragma once
/// What a transition did to its task, and to the ready queue of its scheduler.
///
/// The queue's equation, of a scheduler's whole life so far: the sum of ready_queue_change() over its transitions is
/// the number of its tasks that are Ready.

#include <tiffany/pal/record.hpp>

namespace tiffany::pal {

/// The state in which the task is after it. None: the record is no transition, or one that this version does not know.
TaskState state_after(const Record& record);

/// 1: a push (Spawned into Ready, Ready, Yield, Throttled(0)); -1: a pop (Running, Cancelled from Ready); 0: neither.
int ready_queue_change(const Record& record);

}  // namespace tiffany::pal
