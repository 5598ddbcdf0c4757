#pragma once
/// Keeps the buffers of a recording readable when those who write the trace are gone.

#include <sys/types.h>

#include <optional>
#include <set>
#include <string>

namespace tiffany::paltrace {

/// Not shared between threads.
class BufferKeeper {
  public:
    virtual ~BufferKeeper() = default;

    /// To be called every now and then while the recording goes on.
    /// @param command  whose buffers are kept when it has ended
    virtual void look(pid_t command) noexcept = 0;

    /// To be called at once when LTTng's session daemon or its consumer daemon has ended by itself, and before one that
    /// hangs is ended.
    virtual void daemon_died() noexcept = 0;

    /// Makes the trace readable as far as it was written, and extracts what was still in the buffers into the directory
    /// `recovered`, as traces of the same names. The daemons must have ended.
    /// @param only  the process whose buffers are meant; nothing = all that were kept
    /// @return the processes all of whose buffers were there, of those that were meant.
    /// Errors: ErrorKind::system if lttng-crash cannot do it.
    virtual std::set<pid_t> salvage(const std::string& trace, const std::string& recovered,
                                    std::optional<pid_t> only) = 0;
};

}  // namespace tiffany::paltrace
