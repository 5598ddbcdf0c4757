#pragma once
/// Without COMMAND: who runs already and is to be recorded.

#include <cstddef>
#include <iosfwd>

#include "end_signals.hpp"
#include "session_daemon.hpp"

namespace tiffany::paltrace {

struct Running {
    std::size_t registered = 0;
    bool all = true;  ///< nobody else was found who could have been
};

/// Waits, at most 7 s from the daemon's begin, until each process that has Tiffany's module for LTTng is registered
/// with it: one whose session daemon went away asks every 5 s whether there is a new one. A signal ends the wait.
/// Of those that are not registered, and of those whose LTTng is off, it says so.
Running find_running(const SessionDaemon& daemon, EndSignals& signals, std::ostream& talk);

}  // namespace tiffany::paltrace
