#pragma once
/// What LTTng's session daemon says in its log alone: its commands succeed all the same.

#include <cstddef>
#include <iosfwd>
#include <map>
#include <string>

namespace tiffany::paltrace {

/// Processes that it made no trace for at all, by what it said of the cause, in its words.
using MissedProcesses = std::map<std::string, std::size_t>;

struct DaemonComplaints {
    std::size_t refused_channels = 0;  ///< how often it could not make a channel's buffers for a process
    std::size_t failed_writes = 0;  ///< packets that its consumer daemon could not write: the disk was full, or a limit
    MissedProcesses missed;
};

DaemonComplaints read_daemon_log(std::istream& log);

/// LTTng's words where the directory for a process's crash-safe buffers was removed before they were in it: it removes
/// the empty directories of a session when a process of that ends.
extern const std::string kDirectoryRemoved;

/// What is said of processes that LTTng made no trace for.
/// @param cause  in LTTng's words; empty = not known
std::string missed(std::size_t processes, const std::string& cause);

}  // namespace tiffany::paltrace
