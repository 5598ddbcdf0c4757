#pragma once
/// How a command is proposed that only root may give.

#include <string>

namespace tiffany::paltrace {

/// The command itself for root; else with sudo, where that is installed; else "as root: ..." before it.
std::string as_root(const std::string& command);

}  // namespace tiffany::paltrace
