#pragma once
/// Reads CTF traces through libbabeltrace2 and pushes what they hold, as PAL entries, into a sink.

#include <cstdint>
#include <map>
#include <string>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::ctf {

/// The directories at or below `path` that hold a file `metadata`, in the order of their names.
/// Errors: `path` is missing or cannot be read (ErrorKind::system); there is none (ErrorKind::content).
std::vector<std::string> find_traces(const std::string& path);

struct ReadOptions {
    bool ticks = false;   ///< take the scheduler's ticks too
    bool strict = false;  ///< a gap that the discarded counts do not explain is an error, not a remark
};

/// What a reading found, beside the entries.
struct ReadSummary {
    std::uint64_t records = 0;
    std::uint64_t transitions = 0;
    std::uint64_t lost = 0;
    bool at_most = false;                                 ///< `lost` is an upper bound
    std::map<std::string, std::uint64_t> unknown_events;  ///< of provider tiffany: name -> how many
    std::map<std::string, std::uint64_t> unknown_fields;  ///< "task_sleep.colour" -> how many
    std::vector<std::string> bad_parts;                   ///< one line each: the file and the cause; the rest was read
};

/// Reads all traces at or below the given paths, each by itself, merged in time, as one log.
/// Errors: thrown only if nothing could be read; a part that is bad goes into `bad_parts`.
ReadSummary read_traces(const std::vector<std::string>& paths, const ReadOptions& options, pal::EntrySink& sink);

}  // namespace tiffany::ctf
