#pragma once
/// The demo's work as a whole: what it starts, how long it goes on, how it ends.

#include <cstdint>
#include <string>
#include <tiffany/scheduler/scheduler.hpp>

namespace tiffany::demo {

struct WorkloadOptions {
    int tasks = 100;                ///< long-lived tasks: clients, tickers, joiners
    double seconds = 2;             ///< how long; 0 = no bound
    std::uint64_t transitions = 0;  ///< go on until so many were fired; 0 = no such aim
    std::uint64_t stall_ms = 0;     ///< a task of its own stops everything for so long; 0 = none does
};

/// How the work ended.
struct Outcome {
    bool interrupted = false;    ///< by SIGINT or SIGTERM
    std::uint64_t requests = 0;  ///< that the echo server answered, each as it was asked
    std::string error;           ///< what went wrong; empty = nothing
};

/// Runs the work on the calling thread until it is finished, and closes the scheduler. SIGINT and SIGTERM, which the
/// caller has blocked, end it early. Errors: std::system_error when the system gives no sockets.
Outcome run_workload(Scheduler& scheduler, const WorkloadOptions& options);

}  // namespace tiffany::demo
