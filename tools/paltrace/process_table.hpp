#pragma once
/// What /proc says about other processes.

#include <sys/types.h>

#include <string>
#include <vector>

namespace tiffany::paltrace {

/// The processes whose parent is `parent`. Empty if /proc cannot be read.
std::vector<pid_t> children_of(pid_t parent);

/// The name of a process, at most 15 bytes; empty if it is gone.
std::string name_of(pid_t process);

}  // namespace tiffany::paltrace
