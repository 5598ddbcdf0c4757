#pragma once
/// Waits for COMMAND while everything that may happen beside it is answered: signals to paltrace, daemons that die.

#include <iosfwd>
#include <optional>

#include "buffer_keeper.hpp"
#include "end_signals.hpp"
#include "kept_child.hpp"
#include "session_daemon.hpp"

namespace tiffany::paltrace {

struct CommandEnd {
    int status = 0;                       ///< as of waitpid()
    bool known = true;                    ///< else nobody can say, and `status` is SIGKILL
    std::optional<Daemon> dead_daemon{};  ///< that ended while COMMAND ran
    bool forced = false;                  ///< we ended it by SIGKILL
    bool shm_was_full = false;  ///< /dev/shm had no room left at some time: who starts then does not load LTTng
};

/// Returns when COMMAND has ended.
///
/// A signal to paltrace alone is passed on; the terminal's Ctrl-C has reached COMMAND by itself. SIGTERM and SIGHUP
/// mean an end: 10 s later COMMAND is killed. SIGINT and SIGQUIT may be COMMAND's own business (a shell, a debugger),
/// but three within 2 s are an end as well.
///
/// When a daemon dies COMMAND goes on: with --lossless each of its workers waits for 2 s at most.
///
/// @param buffers  that are kept up to date
CommandEnd watch_command(KeptChild& command, const SessionDaemon& daemon, EndSignals& signals, BufferKeeper& buffers,
                         std::ostream& talk);

}  // namespace tiffany::paltrace
