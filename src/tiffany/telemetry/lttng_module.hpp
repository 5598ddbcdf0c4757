#pragma once
/// Finds and loads libtiffany-lttng.so, with the guards that keep lttng-ust from harming the program.

#include <tiffany/telemetry/scheduler_telemetry.hpp>
#include <tiffany/tracepoints/lttng_table.hpp>

namespace tiffany::detail {

struct LttngModule {
    const LttngTable* table;  // null unless status is available
    TracingStatus status;
    bool may_block;  // the program allows LTTng to block it
};

/// Once in a process's life, while it starts: sets an environment variable for as long as the loading takes.
/// The module is never closed. Prints nothing.
LttngModule load_lttng_module() noexcept;

}  // namespace tiffany::detail
