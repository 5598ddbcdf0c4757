#pragma once
/// What can be asked of any recorded run, as functions: each returns what is wrong, a line each, naming the task, the
/// step and the events around. matchers.hpp makes GoogleTest matchers of them.

#include <chrono>
#include <string>
#include <string_view>
#include <tiffany/testing/recording.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::testing {

/// There is a record at all: what holds of every run holds of an empty one, too. The checks below do not look at that,
/// the matchers do.
std::vector<std::string> check_holds_events(const Recording& run);

/// The transition of that name in the catalogue. Errors: std::invalid_argument, which names all that there are.
TaskEvent event_named(std::string_view name);

/// A task's transitions are exactly these, by their names in the catalogue. Errors: as `event_named`: a name that is
/// misspelt would never be found.
std::vector<std::string> check_events(const TaskLife& life, const std::vector<std::string_view>& names);

/// No worker begins to run a task while another one that it runs has not ended its run.
std::vector<std::string> check_one_running(const Recording& run);

/// Where a worker has ticks: they begin and end in turn, each run lies in a tick of its task, and no tick is empty.
/// @param everywhere  a run on a worker without any tick is a finding too
std::vector<std::string> check_ticks(const Recording& run, bool everywhere = false);

/// While a worker is parked it runs nothing, does not park again, and is not stopped. An unpark too many fires nothing.
std::vector<std::string> check_parks(const Recording& run);

/// Each worker began with WorkerStarted and ended with WorkerStopped at its last seq, and its seqs have no gap.
std::vector<std::string> check_workers(const Recording& run);

/// No task waited longer, from the moment it first became not ready to its next run (Running's wait_ns).
std::vector<std::string> check_waits(const Recording& run, std::chrono::nanoseconds most);

/// No task was Ready for longer before it ran (Running's ready_ns).
std::vector<std::string> check_ready_delays(const Recording& run, std::chrono::nanoseconds most);

/// The ready queue's equation: pushes (Spawned into Ready, Ready, Yield, Throttled(0)) - pops (Running, Cancelled from
/// Ready) = tasks that are Ready at the end. Only of a run in which every task's Spawned was seen and nothing was lost.
/// `paltrace check` leaves it out where a worker's seq began before the run, as in a process's second scheduler.
std::vector<std::string> check_ready_queue(const Recording& run);

/// What `paltrace check` says, and that no event was lost.
std::vector<std::string> check_lifecycle(const Recording& run);

}  // namespace tiffany::testing
