#pragma once
/// Reads a recording back: only what can be read has been recorded, and only `seq` knows what was lost.

#include <functional>
#include <string>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

/// Whether any process registered with the session: then there is as much as the description of its trace.
bool holds_trace(const std::string& directory);

struct ReadBackOptions {
    bool ticks = false;
    std::string recording{};  ///< its directory as the user knows it, for advice
    /// As ReadOptions has it.
    std::function<std::vector<std::string>(const ctf::ReadSummary&)> uncounted{};
};

/// @param traces  directories: the session's output first
/// @param log     file that becomes the PAL log of it; empty = none, the trace is only counted
/// Errors: as ctf::read_inputs(), and ErrorKind::system if the log cannot be written.
ctf::ReadSummary read_back(const std::vector<std::string>& traces, const std::string& log, const ReadBackOptions& wish);

}  // namespace tiffany::paltrace
