#pragma once
/// DIR/record.json: what was recorded, how, and how it ended, for scripts.

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "buffers.hpp"
#include "exit_code.hpp"
#include "record.hpp"
#include "recorded_processes.hpp"
#include "session_daemon.hpp"
#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

struct RecordFacts {
    BufferPlan buffers;
    unsigned cpus = 0;
    std::string lttng_version;
    bool private_daemon = true;
    bool consumer_found = true;  ///< among the processes: else nobody would notice its end
    std::chrono::system_clock::time_point started;
    std::optional<std::chrono::system_clock::time_point> ended;  ///< COMMAND's end; nothing: it goes on
    int command_wait_status = 0;                                 ///< as of waitpid(), if it has ended
    bool command_end_known =
        true;  ///< else nobody can say, and command_wait_status is SIGKILL: it may have been killed
    MissedProcesses missed_processes;     ///< that LTTng made no trace for
    bool shm_was_full = false;            ///< a process that started then is not in the trace at all
    bool disk_was_full = false;           ///< the trace's: LTTng could not write all of it
    std::optional<Daemon> dead_daemon{};  ///< that ended before the recording did
    std::optional<Daemon> hung_daemon{};  ///< that did not answer when the recording was to end, and was given up
    bool hangs_on = false;   ///< it was not ended, being another's, and may write still what is in its buffers
    bool read_back = false;  ///< or found to be unreadable: before, nobody knows what the trace lacks
    ExitCode own = ExitCode::good;
    std::vector<RecordedProcess> processes;
    bool processes_unknown = false;         ///< nothing can be read: there may have been some
    std::optional<ctf::ReadSummary> found;  ///< nothing: not read yet, or not readable

    /// That did not do its work to the end.
    std::optional<Daemon> failed_daemon() const { return dead_daemon ? dead_daemon : hung_daemon; }
    /// What some process did in the end may be missing, in no count.
    bool tail_unknown() const;
};

/// What is in it.
std::string record_text(const RecordOptions& options, const RecordFacts& facts);

/// Written to a temporary and renamed, for its owner alone (0600). First before COMMAND runs, with `ended` null: what
/// stays so was killed, and nobody knows its end. Then before the trace is read, with `read_back` false.
/// Errors: ErrorKind::system if it cannot be written.
void write_record_file(const std::string& path, const RecordOptions& options, const RecordFacts& facts);

}  // namespace tiffany::paltrace
