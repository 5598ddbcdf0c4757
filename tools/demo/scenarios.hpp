#pragma once
/// Small scenes, each of which meets some transitions for sure; together they meet all that the sockets and the timers
/// of the demo do not.

#include <tiffany/scheduler/scheduler.hpp>

#include "other_thread.hpp"

namespace tiffany::demo {

/// Groups that the demo registers.
struct Groups {
    std::uint16_t network = 0;
    std::uint16_t batch = 0;
};

Task<> failing_task();                   ///< Failed, Join, Ready(join)
Task<> events();                         ///< Wait, Ready(event)
Task<> dependencies();                   ///< Spawned(Waiting), Ready(dependency), Cancelled(dependency)
Task<> cancellations();                  ///< Ready(cancel), Cancelled(asked), and one that goes on all the same
Task<> timeouts();                       ///< Ready(timer) of a join and of a wait
Task<> throttling(std::uint16_t group);  ///< Throttled(0), Throttled(t), Ready(quota)
Task<> wake_from_another_thread(OtherThread& other);  ///< Sleep(0), Ready(external)

/// All of them, one after the other.
Task<> every_scenario(const Groups& groups, OtherThread& other);

}  // namespace tiffany::demo
