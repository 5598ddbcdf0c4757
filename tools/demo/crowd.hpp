#pragma once
/// Many tasks that stand still, each in a state that is known: what a tracer that comes late must be told of.

#include <cstddef>
#include <string>
#include <tiffany/scheduler/scheduler.hpp>

namespace tiffany::demo {

struct CrowdOptions {
    std::size_t tasks = 0;
    std::string account;  ///< FILE for the program's own account of its tasks, "-" = stdout; empty = none
    bool busy = false;    ///< a task more that keeps the loop running; else it is idle
};

/// Spawns the tasks, runs them until each stands where it is to stay, writes the account, says so on stdout, and waits
/// for SIGINT or SIGTERM, which the caller has blocked; then all are cancelled.
///
/// The account is JSON Lines, one a task that stands: {"tid", "name", "site", "priority", "group", "state", "waited",
/// "step", "ts"}, names as in PAL logs, `ts` the time when all stood, ns since 1970. It is what the program did, not
/// what telemetry keeps. Errors: Error{system}; std::system_error when the system gives no pipe.
void run_crowd(Scheduler& scheduler, const CrowdOptions& options);

}  // namespace tiffany::demo
