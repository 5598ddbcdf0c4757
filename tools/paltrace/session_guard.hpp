#pragma once
/// Destroys a session of a daemon that outlives us, should we be killed: nobody else would, until the disk is full.

#include <sys/types.h>

#include <string>
#include <vector>

#include "kept_child.hpp"

namespace tiffany::paltrace {

/// A process that the kernel tells when we die, however that happens (PR_SET_PDEATHSIG). Not shared between threads; to
/// be made while the process has one thread.
class SessionGuard {
  public:
    /// @param argv           the command that it then runs, again if that takes longer than 20 s, three times in all
    /// @param remove_at_end  directory that it removes afterwards
    /// Errors: ErrorKind::system if there can be no process.
    SessionGuard(const std::vector<std::string>& argv, const Environment& environment,
                 const std::string& remove_at_end);
    /// Ends it; it has done nothing.
    ~SessionGuard();
    SessionGuard(const SessionGuard&) = delete;
    SessionGuard& operator=(const SessionGuard&) = delete;

  private:
    pid_t pid_ = -1;
};

}  // namespace tiffany::paltrace
