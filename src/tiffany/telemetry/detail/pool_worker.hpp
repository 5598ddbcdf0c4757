#pragma once
/// Workers of an adapter's pool.

#include <tiffany/telemetry/scheduler_telemetry.hpp>

namespace tiffany::detail {

struct PoolWorker {
    /// As SchedulerTelemetry::worker(), for a thread of a pool that goes on when the scheduler is gone, and spawns
    /// nothing but in tasks that it runs: if all have ended by then, that is its worker's end.
    static WorkerLease take(SchedulerTelemetry& telemetry);
};

}  // namespace tiffany::detail
