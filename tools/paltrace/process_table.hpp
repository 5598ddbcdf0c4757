#pragma once
/// What /proc says about other processes.

#include <sys/types.h>

#include <string>
#include <vector>

namespace tiffany::paltrace {

/// The processes whose parent is `parent`. Empty if /proc cannot be read.
std::vector<pid_t> children_of(pid_t parent);

/// The processes that have a file of this name mapped: a library. Only those whose maps we may read.
std::vector<pid_t> processes_with(const std::string& library);

/// The name of a process, at most 15 bytes; empty if it is gone.
std::string name_of(pid_t process);

/// As in /proc/PID/stat: R, S, D, T (stopped), Z (ended, and nobody has asked how), ...; 0 if it is gone.
char state_of(pid_t process);

/// Whether it is a thread of the kernel's own, which has no program.
bool is_kernel_thread(pid_t process);

/// "root"; "uid 812" where no name is known.
std::string user_name(uid_t user);

}  // namespace tiffany::paltrace
