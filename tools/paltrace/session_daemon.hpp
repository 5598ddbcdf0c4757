#pragma once
/// The lttng-sessiond of a recording: a private one, our own child, in a private directory, gone when we are, however
/// we end; or the one that the user's programs are registered with.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon_log.hpp"
#include "kept_child.hpp"
#include "process_table.hpp"
#include "run_tool.hpp"
#include "session_guard.hpp"

namespace tiffany::paltrace {

/// Of LTTng's two: without the session daemon nothing is recorded; without the consumer daemon, its child, what finds
/// room in the buffers. `either`: both, or one of them, and nobody can tell which.
enum class Daemon { session, consumer, either };

constexpr const char* name_of(Daemon daemon) noexcept {
    switch (daemon) {
        case Daemon::session:
            return "session";
        case Daemon::consumer:
            return "consumer";
        case Daemon::either:
            break;
    }
    return "either";
}

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
    /// The daemon that `lttng` finds: root's, for root and for members of group `tracing`, else the user's own; there
    /// the programs that run already are registered. If there is none one is started there, our child, which ends with
    /// this, unless it has sessions of others then. Says which. The user's current session (~/.lttngrc) stays what it
    /// is. Errors: ErrorKind::system, also if one runs and does not answer.
    struct OfUser {};
    SessionDaemon(std::ostream& talk, OfUser);
    ~SessionDaemon();
    SessionDaemon(const SessionDaemon&) = delete;
    SessionDaemon& operator=(const SessionDaemon&) = delete;

    /// Runs `lttng ARGUMENTS...` against this daemon. Never waits longer than `deadline`, or than there is hope
    /// (run_tool).
    ToolResult lttng(std::vector<std::string> arguments, std::chrono::milliseconds deadline,
                     const std::function<bool()>& hopeless = nullptr) const;

    /// Destroys the session if we are killed before the result is: null where the daemon ends with us, and so needs
    /// none.
    std::unique_ptr<SessionGuard> guard(const std::string& session) const;

    /// What a program needs in its environment to register here.
    Environment environment() const;
    bool is_private() const noexcept { return private_; }
    /// It was started here and goes on: end() ends it, unless it says that others have sessions in it.
    bool is_ours() const noexcept { return daemon_ != nullptr; }
    /// The processes that are registered here and have tracepoints of Tiffany; nothing if it does not answer.
    std::optional<std::vector<pid_t>> instrumented_processes() const;
    /// How long programs have been able to find it.
    std::chrono::seconds age() const;
    /// Of lttng-tools: "2.13.9"; empty if it does not say.
    std::string version() const;

    /// Readable once the daemon has ended; -1 if that cannot be seen.
    int fd() const noexcept { return daemon_ ? daemon_->fd() : other_fd_; }
    /// Readable once the consumer daemon, which writes the trace, has ended; -1 if none was found, or where the kernel,
    /// or a container, gives no descriptor of a process.
    int consumer_fd() const noexcept { return consumer_fd_; }
    /// That daemon; 0 if none was found.
    pid_t consumer() const noexcept { return consumer_; }
    /// It was found, and does nothing any more: to be asked now and then where consumer_fd() is -1, and where it has to
    /// be known at once: the descriptor is readable when the last of its threads has gone, a while after the first one.
    /// Cost: reads /proc.
    bool consumer_is_dead() const { return consumer_ != 0 && paltrace::is_dead(consumer_); }
    /// It does nothing any more, which fd() may say later: who tells of our child's end needs a CPU for that.
    /// Cost: reads /proc.
    bool is_dead() const { return process() != 0 && paltrace::is_dead(process()); }
    /// To be called when a session exists, which is when the consumer daemon does. Where none is found, which takes 2
    /// s unless nobody knows which process the session daemon is, that is said.
    void find_consumer();

    /// Which of the two a signal or a debugger has stopped (`either` = both); it answers nobody, and only somebody else
    /// can tell for how long. Nothing if none is.
    std::optional<Daemon> stopped() const;

    /// Nothing before end(), and if the daemon is not ours.
    const DaemonComplaints& complaints() const noexcept { return complaints_; }
    /// Nothing after end(), and if the daemon is not ours. Cost: reads its log, which is short.
    DaemonComplaints complaints_so_far() const;

    /// Asks it to end, waits for its last writes, and ends by force what does not end by itself. One that others found,
    /// too, and have sessions in, stays; that is said. So is that one is ended which does not answer, and of which
    /// nobody knows whether others have sessions in it.
    static constexpr std::chrono::seconds kPatience{15};
    /// @param patience  with its last writes
    void end(std::chrono::seconds patience = kPatience) noexcept;
    /// It was ours, and end() has ended it.
    bool was_ended() const noexcept { return ended_; }

  private:
    pid_t process() const noexcept { return daemon_ ? daemon_->pid() : other_; }
    void start(const std::string& log);
    bool answers() const;
    std::optional<bool> has_sessions_beside(const std::string& own) const;
    bool leave_to_others();
    void kill_consumer() const noexcept;
    void need_silence() const;
    void watch_other();
    std::vector<std::string> lttng_command(std::vector<std::string> arguments) const;
    Environment client_environment() const;
    Environment daemon_environment() const;
    std::string directory_of_daemon() const;
    void read_log();
    std::string log_path() const { return home_ + "/lttng-sessiond.log"; }

    std::ostream& talk_;
    std::string home_;
    bool private_ = true;
    bool of_user_ = false;
    pid_t other_ = 0;  // a daemon that is not ours
    int other_fd_ = -1;
    std::unique_ptr<KeptChild> daemon_;
    bool ended_ = false;
    pid_t consumer_ = 0;
    int consumer_fd_ = -1;
    DaemonComplaints complaints_;
};

}  // namespace tiffany::paltrace
