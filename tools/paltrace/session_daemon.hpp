#pragma once
/// A private lttng-sessiond: our own child, in a private directory, gone when we are, however we end.

#include <chrono>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "kept_child.hpp"
#include "run_tool.hpp"

namespace tiffany::paltrace {

/// Where the daemon lives depends on who we are. An ordinary user's is told by LTTNG_HOME. Root's ignores that and
/// always uses /run/lttng, so as root this process enters a mount namespace of its own, where that directory is a fresh
/// tmpfs; where that is refused it uses the system's daemon (or starts one there), and says so.
///
/// One per process, which then has to have one thread: its children share the namespace. Not shared between threads.
class SessionDaemon {
  public:
    /// @param talk  where it says what is out of the ordinary
    /// Errors: ErrorKind::system if there is no daemon to be had; nothing is left behind.
    explicit SessionDaemon(std::ostream& talk);
    ~SessionDaemon();
    SessionDaemon(const SessionDaemon&) = delete;
    SessionDaemon& operator=(const SessionDaemon&) = delete;

    /// Runs `lttng ARGUMENTS...` against this daemon. Never waits longer than `deadline`.
    ToolResult lttng(std::vector<std::string> arguments, std::chrono::milliseconds deadline) const;

    /// What a program needs in its environment to register here.
    Environment environment() const;
    bool is_private() const noexcept { return private_; }
    /// Of lttng-tools: "2.13.9"; empty if it does not say.
    std::string version() const;

    /// Readable once the daemon has ended; -1 if it is not ours.
    int fd() const noexcept { return daemon_ ? daemon_->fd() : -1; }
    /// Readable once the consumer daemon, which writes the trace, has ended; -1 if none was found.
    int consumer_fd() const noexcept { return consumer_fd_; }
    /// To be called when a session exists, which is when the consumer daemon does.
    void find_consumer();

    /// How often it could not make a channel's buffers for a process, as its log says; 0 if the daemon is not ours.
    std::size_t refused_channels() const;

    /// Asks it to end, waits for its last writes, and ends by force what does not end by itself.
    void end() noexcept;

  private:
    void start(const std::string& log);
    bool answers() const;
    std::string log_path() const { return home_ + "/lttng-sessiond.log"; }

    std::string home_;
    bool private_ = true;
    std::unique_ptr<KeptChild> daemon_;
    int consumer_fd_ = -1;
};

}  // namespace tiffany::paltrace
