#pragma once
/// paltrace convert INPUT... [-o FILE]: traces and PAL logs -> one PAL log, merged in time and de-duplicated.
///
/// One pass in bounded memory. The output is renamed from a temporary when it is whole.

#include <string>
#include <vector>

#include "command.hpp"
#include "tools/babeltrace/read_trace.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

struct ConvertOptions {
    std::vector<std::string> inputs;  ///< PAL logs, trace directories, `-` for a log on stdin
    std::string output = "-";         ///< a file (`.zst`: compressed), or `-` for stdout
    bool ticks = false;               ///< take the scheduler's ticks too
    bool strict = false;              ///< a gap that the discarded counts do not explain is an error
    ctf::Reader reader = ctf::Reader::automatic;
};

/// Errors: throws `Error` if nothing could be converted, or the output cannot be written. A part that is bad is told
/// on `streams.err`, a line each; the rest is converted, and the exit code says so.
ExitCode run_convert(const ConvertOptions& options, Streams& streams);

void add_convert(CLI::App& app, Command& chosen);

}  // namespace tiffany::paltrace
