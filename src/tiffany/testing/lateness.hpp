#pragma once
/// Holds what a task was told about deadlines against the time that passed. Private to testing.

#include <string>
#include <tiffany/testing/program.hpp>
#include <tiffany/testing/recording.hpp>
#include <vector>

namespace tiffany::testing {

/// Each Ready by the timer or the quota comes as long after its suspension as the task had to wait, and late_ns more.
/// Exact, hence of runs on a virtual clock alone, and of a task that did what its script says.
std::vector<std::string> check_lateness(const Script& script, const TaskLife& life);

}  // namespace tiffany::testing
