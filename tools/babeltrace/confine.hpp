#pragma once
/// What a process gives up before it decodes what it does not trust.
///
///     load_plugins();            // whatever else it needs, first
///     confine({"run1/ust"});     // from here on it reads that, and writes to what is open
///
/// Each layer is the kernel's, and goes without saying where the kernel has it not: an older one, a container that
/// forbids it, a build without it.

#include <string>
#include <vector>

namespace tiffany::ctf {

/// Which layers hold.
struct Confinement {
    bool no_new_privileges = false;
    bool files = false;  ///< Landlock: no file can be opened but those below `readable`, and these only to be read
    bool calls = false;  ///< seccomp: no call but those that reading needs; the others fail with ENOSYS
};

/// Gives up, for good: capabilities but the one to read other users' files, core dumps, new privileges, every file but
/// `readable`, and every system call but those with which a file is read, memory got and a pipe written.
/// @param readable  files, and directories with all that is below them; what symbolic links directly in such a
///                  directory, or in `index` in it, name may be read too. One that is not there is passed over.
/// Call in a process with one thread, after what it needs was loaded: it can map no more code.
/// Cost: about 0.35 ms. Errors: none; what does not hold is false in what it returns.
Confinement confine(const std::vector<std::string>& readable) noexcept;

}  // namespace tiffany::ctf
