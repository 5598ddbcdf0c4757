#pragma once
/// The program's own count: what the tracers' counts are compared with.

#include <string>
#include <tiffany/telemetry/hooks.hpp>

namespace tiffany::demo {

/// Writes {"transitions": N, "events": {"Spawned": N, ...}, "pid": N} to a file, whole or not at all, or to stdout for
/// "-". Errors: Error{system}.
void write_report(const SchedulerTelemetry& telemetry, const std::string& path);

}  // namespace tiffany::demo
