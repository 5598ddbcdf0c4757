#pragma once
/// What tracing needs of a program, and of a process that runs it.

#include <sys/types.h>

#include <string>
#include <vector>

#include "finding.hpp"

namespace tiffany::paltrace {

/// The probes of a program or a library.
/// Errors: ErrorKind::system if it cannot be read; ErrorKind::content if it is no ELF file.
Findings examine_file(const std::string& path);

/// Its probes and who is attached to them, and whether LTTng is in it.
/// Errors: ErrorKind::system if there is no such process.
Findings examine_process(pid_t pid);

/// Those that run a program with our probes and began with TIFFANY_LTTNG=0: no session sees them. Only those that we
/// may look into.
std::vector<pid_t> processes_with_lttng_off();

}  // namespace tiffany::paltrace
