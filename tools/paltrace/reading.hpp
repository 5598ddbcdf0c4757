#pragma once
/// What the commands that read inputs say of a reading, and how they exit after it.

#include <iosfwd>
#include <string>

#include "exit_code.hpp"
#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

/// One line for each part that could not be read, and for what was not known.
void print_remarks(const ctf::ReadSummary& summary, bool strict, std::ostream& err);

/// ", 12 transitions lost"; empty if nothing was lost.
std::string loss_remark(const ctf::ReadSummary& summary);

ExitCode exit_code(const ctf::ReadSummary& summary);

}  // namespace tiffany::paltrace
