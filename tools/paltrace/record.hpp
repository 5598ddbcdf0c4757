#pragma once
/// paltrace record [options] -- COMMAND...: runs a command under an LTTng session and session daemon of its own;
/// without COMMAND: every instrumented process that the user's session daemon sees.
///
/// Whatever happens to the command, to paltrace or to the daemons: what was started is ended, and what was recorded
/// can be read.

#include <optional>
#include <string>
#include <vector>

#include "buffers.hpp"
#include "command.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

struct RecordOptions {
    std::string directory;              ///< empty = tiffany-<date-time>
    bool convert = false;               ///< also write DIR/tiffany.pal
    bool ticks = false;                 ///< record the scheduler's ticks too
    std::optional<BufferSize> buffers;  ///< nothing = choose
    bool lossless = false;              ///< the program waits for room instead of losing an event
    bool crash_safe = false;            ///< buffers lie in files below DIR, and survive every process
    bool follow_fork = false;           ///< also record children that the command forks without exec
    std::vector<std::string> command;   ///< empty = the processes that run, and those that start meanwhile
    std::optional<double> seconds;      ///< without a command: how long; nothing = until a signal
};

/// Returns the command's own exit status (128 + n for signal n) or, if that is 0, how the recording went.
/// Needs a process with one thread. Errors: throws `Error` if the command could not be run; then nothing is left
/// behind.
ExitCode run_record(const RecordOptions& options, Streams& streams);

void add_record(CLI::App& app, Command& chosen);

}  // namespace tiffany::paltrace
