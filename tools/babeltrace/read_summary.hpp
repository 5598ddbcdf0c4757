#pragma once
/// What a reading of traces and logs finds, beside the entries.

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tiffany::ctf {

/// What came from one trace, and from none before: with `--buffers-pid` that of one process.
struct TraceCounts {
    std::string directory;
    std::uint64_t records = 0;
    std::uint64_t transitions = 0;
    std::size_t open_workers = 0;  ///< that did not say they stopped
};

/// What a reading found, beside the entries.
struct ReadSummary {
    std::uint64_t records = 0;
    std::uint64_t transitions = 0;
    std::uint64_t duplicates = 0;  ///< dropped: the same came from two inputs
    std::uint64_t lost = 0;
    std::uint64_t tail = 0;            ///< the part of `lost` after the last record of each worker
    bool at_most = false;              ///< `lost` is an upper bound
    std::uint64_t lost_others = 0;     ///< at least so many events were lost that are no transitions
    std::uint64_t unexplained = 0;     ///< of `lost`: in gaps that the discarded counts do not explain
    std::uint64_t untraced = 0;        ///< transitions that were not traced: the session was off, or not ready: no loss
    std::uint64_t ticks_left_out = 0;  ///< events of ticks in traces, if TraceOptions::ticks is off
    std::size_t without_buffers = 0;   ///< processes that did not get all of their buffers; each is in `bad_parts`
    std::vector<std::string> selection;                   ///< the events that were selected; empty = no selection
    std::map<std::string, std::uint64_t> unknown_events;  ///< of provider tiffany: name -> how many
    std::map<std::string, std::uint64_t> unknown_fields;  ///< "task_sleep.colour" -> how many
    std::vector<TraceCounts> traces;                      ///< in the order in which they were found
    std::vector<std::string> lent;       ///< one line each: a trace that was read with its twin's metadata
    std::vector<std::string> bad_parts;  ///< one line each: the file and the cause; the rest was read
    std::vector<std::string> uncounted;  ///< what may be missing and is in no count: a sentence each
    bool refused = false;                ///< of one of them the system was the cause (ErrorKind::system)
};

/// What is said of transitions that are missing though no discarded count tells of them.
std::string unexplained_remark(std::uint64_t missing);

/// What is said of a log whose End tells of parts that could not be read when it was made.
/// @param log  as its reader named it
std::string bad_parts_remark(const std::string& log, std::uint64_t bad_parts);

/// Adds those that are not there yet.
void add_sentences(std::vector<std::string>& to, const std::vector<std::string>& more);

}  // namespace tiffany::ctf
