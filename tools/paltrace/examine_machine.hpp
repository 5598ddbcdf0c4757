#pragma once
/// What tracing needs of a machine: LTTng with its daemon and memory, the kernel's uprobes, bpftrace.

#include "finding.hpp"

namespace tiffany::paltrace {

/// Starts nothing that stays, and changes nothing. Takes some seconds at most.
Findings examine_machine();

/// Whether programs that load liblttng-ust.so.1 find it.
bool linker_knows_lttng_ust();

}  // namespace tiffany::paltrace
