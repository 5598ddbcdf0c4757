#pragma once
/// The processes that a recording has seen, and what it has of each.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

/// One that was registered with the session daemon and had tracepoints of Tiffany: so LTTng made buffers, and a trace,
/// for it.
struct RecordedProcess {
    pid_t pid = 0;  ///< as the process itself sees it
    std::string name;
    std::uint64_t records = 0;
    std::uint64_t transitions = 0;
    std::size_t open_workers = 0;  ///< that did not say they stopped
    std::optional<bool> ended{};   ///< before the recording did; nothing: not known
    bool unread = false;           ///< it goes on, and nobody knows how much of it a daemon that failed has cost

    /// It ended and did not tell that its workers had stopped, so it may have been killed in the middle of an event:
    /// then its last sub-buffers are unreadable, and nobody counted what was in them. Or nobody
    /// knows what found no room in them.
    bool tail_unknown() const { return (unread || ended.value_or(false)) && (open_workers != 0 || records == 0); }
    /// "process 812 (name)"
    std::string title() const { return "process " + std::to_string(pid) + " (" + name + ")"; }
};

/// In the order of their names and pids.
/// @param trace   the recording's: its session has a buffer for each process
/// @param counts  what was read of it
std::vector<RecordedProcess> recorded_processes(const std::string& trace, const std::vector<ctf::TraceCounts>& counts);

/// The process that LTTng named a directory after (NAME-PID-DATE-TIME); 0 = it is no such name.
pid_t pid_in_name(const std::string& directory);

/// "process 812 (name), process 813 (name) and 5 more"
std::string titles_of(const std::vector<RecordedProcess>& processes);

/// "LTTng's consumer daemon", "one of LTTng's daemons".
std::string daemon_title(const std::string& daemon);

/// "process 812 (name) ended, and did not tell that its workers had stopped", and how that may be.
std::string untold_end(const std::string& titles);

/// What befell a daemon of LTTng while it was needed: "LTTng's consumer daemon had ended".
/// @param daemon  "session", "consumer", or "either", where nobody knows which
/// @param hung    it was there, and answered nobody
std::string failure_of(const std::string& daemon, bool hung);

/// What is said of such processes whose end is not in the recording.
/// @param failure  of a daemon, as failure_of() has it
std::string rest_is_missing(const std::string& titles, const std::string& failure);

/// Likewise of whatever another's daemon, that hangs on, has not written.
std::string unwritten_is_missing(const std::string& failure);

/// What is said of processes whose end is not in the recording because the disk took no more.
std::string full_disk_took_the_rest(const std::string& titles);

/// What is said of those that LTTng had no daemon for any more: nobody knows whether there were any.
/// @param failure  as above
std::string later_ones_are_missing(const std::string& failure);

/// What is said of a recording whose consumer daemon could not be found among the processes: nobody knows whether it
/// went on to the end.
std::string unseen_end_of_consumer();

/// Whether a sentence on what is not counted, with whatever label before it, tells of more than what nobody knows of,
/// so that a count of what was lost is at least that.
bool is_known_to_be_missing(std::string_view uncounted);

}  // namespace tiffany::paltrace
