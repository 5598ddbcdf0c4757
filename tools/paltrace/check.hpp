#pragma once
/// paltrace check INPUT: every task's life is legal, and seq has no gaps.
///
/// One pass; memory grows with processes and live tasks, not with the log.

#include <string>

#include "command.hpp"
#include "tools/babeltrace/read_trace.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

struct CheckOptions {
    std::string input;    ///< a PAL log, a trace directory, or `-` for a log on stdin
    bool strict = false;  ///< a gap that the discarded counts do not explain is an error
    ctf::Reader reader = ctf::Reader::automatic;
};

/// Findings and coverage go to `streams.out`. Errors: throws `Error` if the input could not be read at all.
ExitCode run_check(const CheckOptions& options, Streams& streams);

void add_check(CLI::App& app, Command& chosen);

}  // namespace tiffany::paltrace
