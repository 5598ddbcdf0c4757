#pragma once
/// A child process that cannot outlive us, nor can anything that it starts; or one that always does (`outlives_us`).
///
/// Between us and the child stands a keeper: a process that adopts whatever the child leaves behind
/// (PR_SET_CHILD_SUBREAPER), is told by the kernel when we die, however that happens (PR_SET_PDEATHSIG), and then ends
/// them all, or goes and leaves them to themselves. A process group alone would not do: COMMAND must stay in the
/// terminal's group, and may make its own.
///
///     KeptChild daemon{{.argv = {"lttng-sessiond"}, .own_group = true}};
///     ... poll(daemon.fd()) ...

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace tiffany::paltrace {

/// Variables put into a child's environment, beside those that it inherits.
using Environment = std::vector<std::pair<std::string, std::string>>;

struct ChildOptions {
    std::vector<std::string> argv;
    Environment environment{};
    bool own_group = false;        ///< a process group of its own: signals of the terminal do not reach it
    bool keeps_leftovers = false;  ///< what it leaves running when it ends by itself lives on
    int nice = 0;                  ///< -20 (served first) to 19; what it may not have it goes without
    std::string log{};             ///< file that takes stdout and stderr, stdin is empty; "" = all three inherited
    /// When we die it gets SIGTERM and so long to end by itself, before it is killed. 0 = it is killed at once.
    std::chrono::seconds grace{0};
    std::string remove_at_end{};  ///< directory that is removed when everything has ended; "" = none
    /// Neither our death nor that of its keeper ends it; after ours nothing stays with it. While we live, end() does.
    bool outlives_us = false;
    /// What signals our caller has blocked, or ignores, it has, too; else none is blocked, and SIGPIPE ends it.
    bool callers_signals = false;
    /// Asked by the keeper when we have died: true = the child lives on. Who gives this can also release() the child,
    /// which then does not end with a keeper that is killed either.
    std::function<bool()> lives_on{};
};

/// Not shared between threads; to be made while the process has one thread.
class KeptChild {
  public:
    /// Errors: ErrorKind::system if the program cannot be started; then nothing is left behind.
    explicit KeptChild(const ChildOptions& options);
    /// Ends the child and everything it started, as end() does, unless it ended before; one that outlives us goes on.
    ~KeptChild();
    KeptChild(const KeptChild&) = delete;
    KeptChild& operator=(const KeptChild&) = delete;

    pid_t pid() const noexcept { return pid_; }
    /// Readable once the child has ended; it may never be if the keeper was killed: look at wait() now and then, too.
    int fd() const noexcept { return fd_; }
    /// How it ended, as of waitpid(); nothing while it runs. Waits at most `patience`.
    /// Of a child that outlives us and has lost its keeper, reaps the orphans: every other child of this process that
    /// was made later has to be waited for before.
    std::optional<int> wait(std::chrono::milliseconds patience);
    /// False: it has ended, and nobody can say how, as its keeper was killed before it could. wait() then tells
    /// SIGKILL: as little is promised as of one that was killed.
    bool ending_is_known() const noexcept { return known_; }
    /// To the child alone.
    void signal(int number) noexcept;
    /// Ends the child and everything it started by SIGKILL, and returns when they are gone. Of one that outlives us and
    /// has lost its keeper, the child alone: what it started is not known.
    void end() noexcept;
    /// The child lives on, with what it started: only its keeper ends. Needs ChildOptions::lives_on, or outlives_us;
    /// with that this process then adopts no orphans any more.
    void release() noexcept;

  private:
    void end_keeper(int number) noexcept;
    void read_ending(bool may_wait) noexcept;
    void adopt() noexcept;
    void reap_orphans() const noexcept;

    const bool outlives_us_;
    std::vector<pid_t> older_children_;  // of this process; if it outlives us
    pid_t keeper_ = -1;
    pid_t pid_ = -1;
    int fd_ = -1;
    std::optional<int> status_;
    bool known_ = true;
    bool adopted_ = false;  // its keeper was killed, so it is our own child, and fd_ refers to it, if it can
};

}  // namespace tiffany::paltrace
