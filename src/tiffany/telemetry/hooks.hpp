#pragma once
/// Everything a runtime needs to be seen: `SchedulerTelemetry`, `Worker`, `TaskTimes`.
///
/// A forty-line scheduler with the hooks is in examples/callback_queue.hpp. All of it can be compiled to nothing:
/// docs/stripped.md.

#include <tiffany/telemetry/config.hpp>               // IWYU pragma: export
#include <tiffany/telemetry/scheduler_telemetry.hpp>  // IWYU pragma: export
#include <tiffany/telemetry/spawn_info.hpp>           // IWYU pragma: export
#include <tiffany/telemetry/stamp.hpp>                // IWYU pragma: export
#include <tiffany/telemetry/task_list.hpp>            // IWYU pragma: export
#include <tiffany/telemetry/task_times.hpp>           // IWYU pragma: export
#include <tiffany/telemetry/worker.hpp>               // IWYU pragma: export
