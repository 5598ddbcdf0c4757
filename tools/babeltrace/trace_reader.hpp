#pragma once
/// Reads CTF traces and PAL logs, and pushes what they hold, as one log, into a sink.

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "read_trace.hpp"

namespace tiffany::ctf {

/// The directories at or below `path` that hold a file `metadata`, in the order of their names.
/// Errors: `path` is missing or cannot be read (ErrorKind::system); there is none (ErrorKind::content).
std::vector<std::string> find_traces(const std::string& path);

struct ReadOptions {
    TraceOptions of_traces{};
    bool strict = false;                ///< a gap that the discarded counts do not explain is a bad part, not a remark
    bool empty = false;                 ///< traces that hold no event of ours are read like others, and no bad part
    std::chrono::seconds patience{30};  ///< a decoder that makes no progress for so long is ended
};

/// What came from one trace: with `--buffers-pid` that of one process.
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
    bool refused = false;                ///< of one of them the system was the cause (ErrorKind::system)
};

/// What is said of transitions that are missing though no discarded count tells of them.
std::string unexplained_remark(std::uint64_t missing);

/// Reads all inputs, merged in time, as one log: a directory stands for the traces at or below it, anything else is a
/// PAL log (`-`: on the standard input). Each trace and each log is read by a process of its own, so that a bad one
/// costs only itself. Duplicates are dropped, loss is computed anew. Call while this process has one thread.
/// Memory is bounded: it grows with inputs and workers, not with records.
/// Errors: thrown only if nothing could be read, or by the sink; a part that is bad goes into `bad_parts`.
ReadSummary read_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, pal::EntrySink& sink);

/// The same, for traces only.
inline ReadSummary read_traces(const std::vector<std::string>& paths, const ReadOptions& options,
                               pal::EntrySink& sink) {
    return read_inputs(paths, options, sink);
}

}  // namespace tiffany::ctf
