#pragma once
/// What /proc says about other processes.

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tiffany::paltrace {

/// The processes whose parent is `parent`. Empty if /proc cannot be read.
std::vector<pid_t> children_of(pid_t parent);

/// The processes that have a file of this name mapped: a library. Only those whose maps we may read.
std::vector<pid_t> processes_with(const std::string& library);

/// The name of a process, at most 15 bytes; empty if it is gone.
std::string name_of(pid_t process);

/// A variable of the environment that it was started with; empty if it has none of that name, or we may not look.
std::string variable_of(pid_t process, std::string_view name);

/// All that began with such a variable. Only those that we may look into.
std::vector<pid_t> processes_with_variable(std::string_view name, std::string_view value);

/// With whose rights a process works.
struct Owner {
    uid_t user = 0;
    std::vector<gid_t> groups;  ///< its own first
};

/// Nothing if it is gone.
std::optional<Owner> owner_of(pid_t process);

/// What keeps us from its environment, its mappings and the files that it sees, as an errno; 0 = nothing.
int refusal_to_look_into(pid_t process);

/// How many of its threads have that name.
std::size_t threads_called(pid_t process, std::string_view name);

/// As in /proc/PID/stat: R, S, D, T (stopped), Z (ended, and nobody has asked how), ...; 0 if it is gone.
char state_of(pid_t process);

/// It does nothing any more, although somebody may still have to ask how it ended.
bool is_dead(pid_t process);

/// By a signal or a debugger: it does nothing until somebody lets it go on.
bool is_stopped(pid_t process);

/// The process that has the whole file locked by flock() for itself alone; 0 if none that can be seen from here has.
pid_t locker_of(const std::string& file);

/// Whether it is a thread of the kernel's own, which has no program.
bool is_kernel_thread(pid_t process);

/// "root"; "uid 812" where no name is known.
std::string user_name(uid_t user);

}  // namespace tiffany::paltrace
