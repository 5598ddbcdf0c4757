#pragma once
/// The buffers of a recording that are memory without a name: what LTTng's daemons did not write out is still there
/// after they were killed, as long as somebody has it open.
///
///     HeldBuffers buffers{"run1/trace", "run1/shm-kept", consumer};
///     ... the consumer daemon dies ...
///     buffers.daemon_died();
///     ... the processes go on, and end ...
///     buffers.salvage("run1/trace", "run1/recovered", std::nullopt);

#include <set>
#include <vector>

#include "buffer_keeper.hpp"

namespace tiffany::paltrace {

/// Opens them by the descriptors that the processes have, in /proc, and not before a daemon dies, is stopped or is
/// given up: memory
/// that is open here would not be free for the next process. So of a process that ended with the daemon, or that we may
/// not look into, nothing is held.
class HeldBuffers final : public BufferKeeper {
  public:
    /// @param trace      that the session writes
    /// @param directory  to make when there is something in them, and to remove in the end
    /// @param consumer   the daemon that made them; 0 = not known, and nothing is held
    HeldBuffers(std::string trace, std::string directory, pid_t consumer);
    ~HeldBuffers() override;
    HeldBuffers(const HeldBuffers&) = delete;
    HeldBuffers& operator=(const HeldBuffers&) = delete;

    void look(pid_t command) noexcept override;
    void daemon_died() noexcept override;
    std::set<pid_t> salvage(const std::string& trace, const std::string& recovered, std::optional<pid_t> only) override;

  private:
    struct Held {
        std::string process;  // the name of its directory
        int fd;
    };
    void hold_all();
    void let_go() noexcept;

    std::string trace_;
    std::string directory_;
    pid_t consumer_;
    bool died_ = false;
    std::vector<Held> held_;
    std::set<pid_t> lacking_;  // of whose buffers one could not be opened
};

}  // namespace tiffany::paltrace
