#pragma once
/// The buffers of a recording as files: what LTTng's daemons did not write out can still be read after they, or the
/// process, were killed.
///
///     BufferFiles buffers{"run1/shm", failed_writes};
///     ... a session with buffers.shm_path(), and every now and then buffers.look(command) ...
///     buffers.salvage("run1/trace", "run1/recovered", std::nullopt);

#include <cstddef>
#include <functional>
#include <map>
#include <set>

#include "buffer_keeper.hpp"

namespace tiffany::paltrace {

/// Each file gets a second name here, because LTTng removes its own when the process has ended, whether or not what is
/// in them could be read: an event in whose middle a process was killed keeps the consumer daemon from all after it.
class BufferFiles final : public BufferKeeper {
  public:
    /// @param directory      that LTTng makes them in; it is made, for its owner alone; removed in the end, unless what
    ///                       is in them could not be salvaged
    /// @param failed_writes  tells how many packets LTTng could not write so far
    /// Errors: ErrorKind::system if it cannot be made.
    BufferFiles(const std::string& directory, std::function<std::size_t()> failed_writes);
    ~BufferFiles() override;
    BufferFiles(const BufferFiles&) = delete;
    BufferFiles& operator=(const BufferFiles&) = delete;

    /// For LTTng: `lttng create --shm-path`.
    const std::string& shm_path() const noexcept { return shm_path_; }

    /// Keeps the files that are new, and lets those of processes that have ended go, unless LTTng could not write a
    /// packet while they were there, which may have been theirs. A few system calls a process.
    void look(pid_t command) noexcept override;
    void daemon_died() noexcept override {}
    /// Errors: as extract_buffers(); then they are kept.
    std::set<pid_t> salvage(const std::string& trace, const std::string& recovered, std::optional<pid_t> only) override;

  private:
    std::string shm_path_;
    std::string kept_;
    std::function<std::size_t()> failed_writes_;
    std::size_t failed_at_last_look_ = 0;
    std::map<std::string, std::size_t> failed_before_;  // by process: before the look that saw it first
    bool salvaged_ = false;
    bool keep_ = false;  // what is in them is nowhere else
};

}  // namespace tiffany::paltrace
