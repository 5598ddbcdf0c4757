#pragma once
/// What is said of a recording when it has ended: what is in it, what is not, and why.

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "exit_code.hpp"
#include "output_dir.hpp"
#include "record.hpp"
#include "record_file.hpp"

namespace tiffany::paltrace {

/// How it ended, beside what record.json tells.
struct RecordingEnd {
    pid_t command = 0;                             ///< 0 = there was none
    std::set<pid_t> salvaged;                      ///< of whom what was in the buffers lies beside the trace
    std::uint64_t disk_left = 0;                   ///< bytes, before the buffers that may lie there, too, went
    std::size_t refused_channels = 0;              ///< how often LTTng could not make buffers
    std::optional<std::vector<pid_t>> registered;  ///< who was there in the end; nothing: not known
    bool passed_over = false;                      ///< a process that runs could not be recorded, which was said
};

/// One line to `talk`, and the exit status that it means.
void complain(RecordFacts& facts, std::ostream& talk, ExitCode code, const std::string& sentence);

/// Reads the trace back, and the log is written then, says what is in it and what is not, and completes the facts.
/// Errors: none; they are said, and are in the exit status.
void judge_recording(const RecordOptions& options, const OutputDir& directory, const RecordingEnd& end,
                     RecordFacts& facts, std::ostream& talk);

/// The last part of that: what is said of `facts.found`, which has been read.
void judge_found(const RecordOptions& options, const OutputDir& directory, const RecordingEnd& end, RecordFacts& facts,
                 std::ostream& talk);

}  // namespace tiffany::paltrace
