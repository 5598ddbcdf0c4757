#pragma once
/// paltrace stats INPUT: what happened how often, and how long tasks ran, waited and were ready.
///
/// One pass; memory grows with processes, live tasks and distinct names, not with the log.

#include <string>

#include "command.hpp"
#include "tools/babeltrace/read_trace.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

struct StatsOptions {
    std::string input;        ///< a PAL log, a trace directory, or `-` for a log on stdin
    bool json = false;        ///< one JSON document instead of tables; its keys: docs/stats.md
    bool histograms = false;  ///< the metrics' default buckets too
    ctf::Reader reader = ctf::Reader::automatic;
};

/// The statistics go to `streams.out`. Errors: throws `Error` if the input could not be read at all.
ExitCode run_stats(const StatsOptions& options, Streams& streams);

void add_stats(CLI::App& app, Command& chosen);

}  // namespace tiffany::paltrace
