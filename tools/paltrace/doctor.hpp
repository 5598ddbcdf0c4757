#pragma once
/// paltrace doctor [FILE] [--pid PID] [--json]: what is missing on this machine for tracing, what that costs, and the
/// command that mends it.

#include <sys/types.h>

#include <string>

#include "command.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

struct DoctorOptions {
    std::string file;  ///< a program or library to look for probes in; empty: none
    pid_t pid = 0;     ///< a process; 0: none
    bool json = false;
};

/// good: nothing is wrong; system: something is.
ExitCode run_doctor(const DoctorOptions& options, Streams& streams);
void add_doctor(CLI::App& app, Command& chosen);

}  // namespace tiffany::paltrace
