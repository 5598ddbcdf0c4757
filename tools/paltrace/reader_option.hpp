#pragma once
/// The option `--reader` of the commands that read traces.

#include "tools/babeltrace/read_trace.hpp"

namespace CLI {
class App;
}

namespace tiffany::paltrace {

/// @param reader  where the choice goes; it must live as long as the command
void add_reader_option(CLI::App& command, ctf::Reader& reader);

}  // namespace tiffany::paltrace
