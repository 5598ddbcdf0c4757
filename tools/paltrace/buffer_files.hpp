#pragma once
/// The buffers of a recording as files: what LTTng's daemons did not write out can still be read after they, or the
/// process, were killed.
///
///     BufferFiles buffers{"run1/shm"};
///     ... a session with buffers.shm_path(), and every now and then buffers.look(command) ...
///     buffers.salvage("run1/trace", "run1/recovered", std::nullopt);

#include <sys/types.h>

#include <optional>
#include <string>

namespace tiffany::paltrace {

/// Each file gets a second name here, because LTTng removes its own when the process has ended, whether or not what is
/// in them could be read: an event in whose middle a process was killed keeps the consumer daemon from all after it.
/// Not shared between threads.
class BufferFiles {
  public:
    /// @param directory  that LTTng makes them in; it is made, for its owner alone; removed in the end
    /// Errors: ErrorKind::system if it cannot be made.
    explicit BufferFiles(const std::string& directory);
    ~BufferFiles();
    BufferFiles(const BufferFiles&) = delete;
    BufferFiles& operator=(const BufferFiles&) = delete;

    /// For LTTng: `lttng create --shm-path`.
    const std::string& shm_path() const noexcept { return shm_path_; }

    /// Keeps the files that are new, and lets those of processes that have ended go. A few system calls a process.
    /// @param command  whose files are kept when it has ended
    void look(pid_t command) noexcept;

    /// Makes the trace readable as far as it was written, and extracts what was still in the buffers into the directory
    /// `recovered`, as traces of the same names. The daemons must have ended.
    /// @param only  the process whose buffers are meant; nothing = all that were kept
    /// @return whether there is anything in `recovered`. Errors: ErrorKind::system if lttng-crash cannot do it.
    bool salvage(const std::string& trace, const std::string& recovered, std::optional<pid_t> only);

  private:
    std::string shm_path_;
    std::string kept_;
    bool salvaged_ = false;
};

}  // namespace tiffany::paltrace
