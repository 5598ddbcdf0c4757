#pragma once
/// One LTTng session on a daemon: made, begun, ended, and each step verified.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "buffers.hpp"
#include "session_daemon.hpp"

namespace tiffany::paltrace {

struct Channel {
    std::string name;
    std::vector<std::string> events;  ///< as lttng takes them: "tiffany:task_*"
    BufferSize buffers;
};

struct SessionPlan {
    std::string name;
    std::string output;     ///< absolute directory of the trace
    std::string shm_path;   ///< directory for the buffers' files; empty = /dev/shm
    bool blocking = false;  ///< a program that allows it waits for room, at most 2 s an event
    /// What the events mean is written at once, not when their process ends. With a full disk the daemon then may
    /// answer nobody any more: only for a daemon of our own.
    bool early_metadata = false;
    std::vector<Channel> channels;
};

/// The channels of a recording: `transitions` has exactly tiffany:task_*, so that what LTTng discarded there are
/// transitions; `workers` that workers begin and end, so that it always finds room; `others` has the rest, and `ticks`
/// is there if the plan has buffers for it.
std::vector<Channel> recording_channels(const BufferPlan& buffers);

/// A session that is active while this lives. Not shared between threads.
class Session {
  public:
    /// Errors: ErrorKind::system, with LTTng's own words.
    Session(SessionDaemon& daemon, const SessionPlan& plan);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Stops it, waits until its data is on disk, and forgets it; a second call does nothing.
    /// Returns what went wrong, "" = nothing. Bounded in time: a program that was killed half way can keep LTTng busy
    /// for ever.
    /// @param hopeless  whether it is waited for in vain: there is no room for that data, or the daemon is stopped
    std::string end(const std::function<bool()>& hopeless = nullptr) noexcept;
    /// end() was given up, as hopeless or after a minute: the daemon may answer nobody any more, and not all data may
    /// be on disk.
    bool given_up() const noexcept { return given_up_; }

  private:
    void verify(const SessionPlan& plan) const;
    ToolResult command(const std::vector<std::string>& arguments) const;

    SessionDaemon& daemon_;
    std::string name_;
    std::unique_ptr<SessionGuard> guard_;
    bool active_ = false;
    bool given_up_ = false;
};

}  // namespace tiffany::paltrace
