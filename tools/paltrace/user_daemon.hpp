#pragma once
/// The session daemon that `lttng` talks to when it is told nothing: whose it is, where it lives, whether it can
/// answer.

#include <sys/types.h>

#include <string>

namespace tiffany::paltrace {

inline constexpr char kRootsDirectory[] = "/var/run/lttng";  ///< where root's lttng-sessiond always is

struct UserDaemon {
    pid_t pid = 0;  ///< 0: none runs
    uid_t user = 0;
    bool stopped = false;  ///< by a signal, so that it answers nobody
};

/// The daemon that lives in a directory.
UserDaemon daemon_in(const std::string& directory);

/// Where an ordinary user's own daemon lives, whether or not one runs; absolute. Empty if there is no home.
std::string own_daemon_directory();

/// Whether root's daemon takes commands of this ordinary user.
bool in_tracing_group();

/// Root's, for root and, if it runs, for members of group `tracing`; else the user's own.
UserDaemon daemon_of_user();

/// The command that lets one that does not answer go on, or ends it.
std::string mend_of(const UserDaemon& daemon);

}  // namespace tiffany::paltrace
