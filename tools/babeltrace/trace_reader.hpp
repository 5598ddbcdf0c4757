#pragma once
/// Reads CTF traces and PAL logs, and pushes what they hold, as one log, into a sink.

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "find_inputs.hpp"
#include "read_summary.hpp"
#include "read_trace.hpp"

namespace tiffany::ctf {

struct ReadOptions {
    TraceOptions of_traces{};
    bool strict = false;  ///< a gap that the discarded counts do not explain is a bad part, not a remark
    bool empty = false;   ///< traces that hold no event of ours are read like others, and no bad part
    std::chrono::seconds patience{kPatience};  ///< a decoder that makes no progress for so long is ended
    /// What of the inputs may be missing and is in no count, a sentence each, as far as the caller knows: asked when
    /// all is read, of what is counted by trace alone. It becomes the log's, with what logs among the inputs say of it.
    std::function<std::vector<std::string>(const ReadSummary&)> uncounted{};
    /// Told, as a sentence, of a decoder that came to a bad end, whose work another does; empty: nobody is.
    std::function<void(const std::string&)> tell{};
};

/// Reads all inputs, merged in time, as one log: a directory stands for the traces at or below it, anything else is a
/// PAL log (`-`: on the standard input). Each trace and each log is read by a process of its own, so that a bad one
/// costs only itself. Duplicates are dropped, loss is computed anew. Call while this process has one thread.
/// Memory is bounded: it grows with inputs and workers, not with records.
/// Errors: thrown only if nothing could be read, or by the sink; a part that is bad goes into `bad_parts`.
ReadSummary read_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, pal::EntrySink& sink);

/// The same, of what was found.
ReadSummary read_found(const FoundInputs& inputs, const ReadOptions& options, pal::EntrySink& sink);

/// The same, for traces only.
inline ReadSummary read_traces(const std::vector<std::string>& paths, const ReadOptions& options,
                               pal::EntrySink& sink) {
    return read_inputs(paths, options, sink);
}

}  // namespace tiffany::ctf
