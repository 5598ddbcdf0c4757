#pragma once
/// What the commands share: where they write, and how `main` learns which one was chosen.

#include <functional>
#include <iosfwd>

#include "exit_code.hpp"

namespace tiffany::paltrace {

/// Data goes to `out`, talk to `err`.
struct Streams {
    std::ostream& out;
    std::ostream& err;
};

/// Set by the parser to the command that was chosen; `main` runs it, prints what it throws, and exits.
using Command = std::function<ExitCode(Streams&)>;

}  // namespace tiffany::paltrace
