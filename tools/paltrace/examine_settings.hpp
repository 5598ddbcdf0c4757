#pragma once
/// What the environment asks of a program with Tiffany: TIFFANY_LTTNG, TIFFANY_STALL, TIFFANY_METRICS (TIFFANY_PAL:
/// examine_log.hpp).

#include <sys/types.h>

#include "finding.hpp"

namespace tiffany::paltrace {

/// Of the environment that this process has, and would hand on to a program that it starts.
Findings examine_own_settings();

/// Of a process: the metrics' address that its environment asks for, and whether it serves any.
/// @param trusted  false: it began with rights that its caller had not, and so does not look at its environment
Finding examine_metrics_of(pid_t pid, bool trusted);

}  // namespace tiffany::paltrace
