#pragma once
/// Reads a recording back: only what can be read has been recorded, and only `seq` knows what was lost.

#include <string>
#include <tiffany/pal/record.hpp>

#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

/// Whether any process registered with the session: then there is as much as the description of its trace.
bool holds_trace(const std::string& directory);

/// @param trace  directory of the session's output
/// @param log    file that becomes the PAL log of it; empty = none, the trace is only counted
/// Errors: as ctf::read_inputs(), and ErrorKind::system if the log cannot be written.
ctf::ReadSummary read_back(const std::string& trace, const std::string& log, bool ticks);

}  // namespace tiffany::paltrace
