#pragma once
/// From settings, and what the environment says, to what is to be done.

#include <string>
#include <tiffany/telemetry/pal_status.hpp>
#include <tiffany/telemetry/settings.hpp>

namespace tiffany::detail {

/// What is wrong with them; empty if nothing is. Errors: std::bad_alloc.
std::string why_bad(const Settings& settings);

struct ResolvedSettings {
    Settings settings;
    PalProblem problem = PalProblem::none;  // of the log
    bool bad_stall = false;                 // TIFFANY_STALL is no time: nobody watches
};
/// The environment's word before the program's, if it may be trusted. Errors: std::bad_alloc.
ResolvedSettings with_environment(Settings settings);

}  // namespace tiffany::detail
