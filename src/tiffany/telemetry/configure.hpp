#pragma once
/// Settings, by the program instead of its environment, and what became of them.
///
///     int main() {
///         tiffany::configure({.pal = "/var/log/my-service/%p.pal.zst"});   // before the first scheduler
///         ...
///     }                                                                    // the log is whole, with End

#include <tiffany/telemetry/config.hpp>
#include <tiffany/telemetry/pal_status.hpp>    // IWYU pragma: export
#include <tiffany/telemetry/settings.hpp>      // IWYU pragma: export
#include <tiffany/telemetry/stall_status.hpp>  // IWYU pragma: export

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/configure.hpp>  // IWYU pragma: export
#else

namespace tiffany {

/// Says what the process is to do from its first scheduler on; said again before that, the last word counts. What the
/// environment says comes first, unless `Settings::environment` is false.
///
/// Any thread. Opens nothing yet: that is done, and may fail, when the first scheduler is made; see pal_status().
/// Errors: std::invalid_argument with the reason, for settings that can never work; std::logic_error, there has been a
/// scheduler already; std::bad_alloc.
void configure(const Settings& settings);

/// What became of the log. Any thread. Locks, allocates. Errors: std::bad_alloc.
PalStatus pal_status();

/// What schedulers are watched with from their start, and why not: known once the first one was made. Any thread.
/// Locks.
StallStatus stall_status();

/// Waits until what has fired before this call was handed to the file or the readers, at most 5 s. Returns whether that
/// was so. True if there is no log. For a moment before an abort; the end of the process does it by itself. Any thread.
bool flush_pal() noexcept;

}  // namespace tiffany

#endif
