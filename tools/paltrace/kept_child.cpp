#include "kept_child.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <tiffany/pal/error.hpp>

#include "callers_signals.hpp"
#include "process_table.hpp"

namespace tiffany::paltrace {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// What a daemon started may finish its writing, once the daemon itself has ended.
constexpr seconds kGrace{5};
// A process that SIGKILL does not end in this time hangs in the kernel; nobody can help that.
constexpr seconds kKillPatience{10};

// How long the end of a child that has lost its keeper may go unseen where the kernel gives no descriptor for it.
constexpr milliseconds kLookAtAdopted{20};

// What a keeper is told. A signal that the kernel sends, and one that we send, so that it knows which it was.
constexpr int kCallerDied = SIGHUP;
constexpr int kEndNow = SIGTERM;
constexpr int kRelease = SIGUSR1;

struct Pipe {
    int read = -1;
    int write = -1;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw Error{ErrorKind::system, std::string{"cannot make a pipe: "} + std::strerror(errno)};
    return {ends[0], ends[1]};
}

void send(int fd, int value) noexcept {
    // the pipe is empty and its reader alive, or gone for good: nothing to do about a failure
    [[maybe_unused]] const ssize_t bytes = write(fd, &value, sizeof value);
}

bool receive(int fd, int& value) noexcept {
    ssize_t bytes = 0;
    do {
        bytes = read(fd, &value, sizeof value);
    } while (bytes < 0 && errno == EINTR);
    return bytes == static_cast<ssize_t>(sizeof value);
}

/// In the child, before exec. Never returns.
[[noreturn]] void become(const ChildOptions& options, pid_t callers_group, pid_t keeper, int exec_pipe) {
    if (!options.lives_on && !options.outlives_us) prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != keeper) _exit(127);  // the keeper died before the line above
    if (!options.own_group) setpgid(0, callers_group);
    if (options.nice != 0) setpriority(PRIO_PROCESS, 0, options.nice);
    if (!options.log.empty()) {
        const int nothing = open("/dev/null", O_RDONLY);
        const int log = open(options.log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
        if (nothing < 0 || log < 0 || dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0) {
            send(exec_pipe, errno);
            _exit(127);
        }
    }
    std::vector<char*> argv;
    for (const std::string& word : options.argv)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    for (const auto& [name, value] : options.environment)
        setenv(name.c_str(), value.c_str(), 1);
    if (options.callers_signals) {
        give_callers_signals();
    } else {
        std::signal(SIGPIPE, SIG_DFL);
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, nullptr);
    }
    execvp(argv[0], argv.data());
    send(exec_pipe, errno);
    _exit(127);
}

/// The keeper: starts the child, tells how it ended, and ends what is left.
class Keeper {
  public:
    Keeper(const ChildOptions& options, int pid_pipe) : options_{options}, pipe_{pid_pipe} {}

    [[noreturn]] void run(pid_t caller, pid_t callers_group, int exec_pipe) {
        prctl(PR_SET_NAME, "paltrace-keeper");
        sigset_t all;
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, nullptr);
        setpgid(0, 0);
        prctl(PR_SET_CHILD_SUBREAPER, 1);
        prctl(PR_SET_PDEATHSIG, kCallerDied);
        if (getppid() != caller) _exit(0);
        const pid_t self = getpid();
        child_ = fork();
        if (child_ == 0) become(options_, callers_group, self, exec_pipe);
        if (child_ < 0) {
            send(exec_pipe, errno);
            finish();
        }
        close(exec_pipe);
        send(pipe_, child_);
        watch();
    }

  private:
    [[noreturn]] void watch() {
        sigset_t of_interest;
        sigemptyset(&of_interest);
        sigaddset(&of_interest, SIGCHLD);
        sigaddset(&of_interest, kCallerDied);
        sigaddset(&of_interest, kEndNow);
        sigaddset(&of_interest, kRelease);
        for (;;) {
            const int got = sigwaitinfo(&of_interest, nullptr);
            if (got == kRelease) finish();
            if (got == kCallerDied || got == kEndNow) {
                if (child_ended_) finish();
                if (got == kCallerDied && outlives_us()) finish();
                if (got == kCallerDied && options_.grace.count() != 0) {
                    kill(child_, SIGTERM);
                    let_finish(options_.grace);
                }
                kill_all();
                finish();
            }
            reap();
            if (!child_ended_) continue;
            // stays until the caller is ready to have them go elsewhere, and reaps them as they end
            if (options_.keeps_leftovers) continue;
            let_finish(kGrace);
            kill_all();
            finish();
        }
    }

    bool outlives_us() const { return options_.outlives_us || (options_.lives_on && options_.lives_on()); }

    /// Returns false when there is no process left.
    bool reap() {
        int status = 0;
        pid_t ended = 0;
        while ((ended = waitpid(-1, &status, WNOHANG)) > 0) {
            if (ended != child_) continue;
            child_ended_ = true;
            status_ = status;
            send(pipe_, status);
        }
        return ended == 0;
    }

    void let_finish(seconds patience) {
        const auto deadline = Clock::now() + patience;
        while (Clock::now() < deadline && reap())
            usleep(5'000);
    }

    void kill_all() {
        const auto deadline = Clock::now() + kKillPatience;
        // Orphans become our children when their parent dies, so this reaches every generation.
        while (reap() && Clock::now() < deadline) {
            for (const pid_t child : children_of(getpid()))
                kill(child, SIGKILL);
            usleep(2'000);
        }
    }

    [[noreturn]] void finish() {
        if (!options_.remove_at_end.empty()) {
            std::error_code ignored;  // it lies in the directory for temporary files: a left-over is nobody's harm
            std::filesystem::remove_all(options_.remove_at_end, ignored);
        }
        _exit(0);
    }

    const ChildOptions& options_;
    int pipe_;
    pid_t child_ = -1;
    bool child_ended_ = false;
    int status_ = 0;
};

}  // namespace

KeptChild::KeptChild(const ChildOptions& options) : outlives_us_{options.outlives_us} {
    // Should its keeper be killed, it becomes our child, and we learn how it ends.
    if (outlives_us_) prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (outlives_us_) older_children_ = children_of(getpid());
    const Pipe to_us = make_pipe();
    const Pipe exec = make_pipe();
    const pid_t caller = getpid();
    const pid_t callers_group = getpgrp();
    keeper_ = fork();
    if (keeper_ == 0) {
        close(to_us.read);
        close(exec.read);
        try {
            Keeper{options, to_us.write}.run(caller, callers_group, exec.write);
        } catch (...) {
            _exit(1);
        }
    }
    const int fork_errno = errno;
    close(to_us.write);
    close(exec.write);
    fd_ = to_us.read;
    int cause = fork_errno;
    const bool failed = keeper_ < 0 || receive(exec.read, cause);
    close(exec.read);
    int pid = 0;
    if (!failed && receive(fd_, pid)) {
        pid_ = pid;
        return;
    }
    if (keeper_ > 0) {
        kill(keeper_, kEndNow);  // one that keeps what a child leaves stays else, though there was none
        waitpid(keeper_, nullptr, 0);
    }
    close(fd_);
    throw Error{ErrorKind::system, "cannot run " + options.argv.front() + ": " +
                                       (failed ? std::strerror(cause) : "its keeper was killed")};
}

KeptChild::~KeptChild() {
    if (outlives_us_)
        release();
    else
        end();
    close(fd_);
}

std::optional<int> KeptChild::wait(std::chrono::milliseconds patience) {
    const auto deadline = Clock::now() + patience;
    while (!status_) {
        const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now());
        pollfd waiting{fd_, POLLIN, 0};
        const auto nap = adopted_ ? std::min(left, kLookAtAdopted) : left;
        const int ready = poll(&waiting, 1, static_cast<int>(std::max<milliseconds::rep>(nap.count(), 0)));
        if (ready > 0 || adopted_) read_ending(true);
        if (left.count() <= 0) break;
    }
    if (adopted_) reap_orphans();
    return status_;
}

void KeptChild::signal(int number) noexcept {
    if (!status_) kill(pid_, number);
}

void KeptChild::end() noexcept {
    end_keeper(kEndNow);
    if (status_ || !adopted_) return;
    kill(pid_, SIGKILL);
    wait(kKillPatience);
}

void KeptChild::release() noexcept {
    // before its keeper goes: what it started is then adopted by whoever would have done so without us, and reaps it
    if (outlives_us_) prctl(PR_SET_CHILD_SUBREAPER, 0);
    end_keeper(kRelease);
}

void KeptChild::end_keeper(int number) noexcept {
    if (keeper_ < 0) return;
    kill(keeper_, number);
    while (waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
    }
    keeper_ = -1;
    read_ending(false);
}

void KeptChild::read_ending(bool may_wait) noexcept {
    if (status_) return;
    int status = 0;
    if (adopted_) {
        const pid_t ended = waitpid(pid_, &status, WNOHANG);
        if (ended == pid_) {
            status_ = status;
        } else if (ended < 0 && errno != EINTR && is_dead(pid_)) {
            status_ = SIGKILL;
            known_ = false;
        }
    } else if (receive(fd_, status)) {
        status_ = status;
    } else if (outlives_us_) {
        adopt();
    } else if (may_wait) {
        status_ = SIGKILL;  // the keeper itself was killed, and the kernel ended the child with it
    }
}

/// What its keeper would have reaped.
void KeptChild::reap_orphans() const noexcept try {
    siginfo_t any{};
    if (waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) != 0 || any.si_pid == 0) return;  // the usual case is cheap
    for (const pid_t child : children_of(getpid()))
        if (child != pid_ && std::ranges::find(older_children_, child) == older_children_.end())
            waitpid(child, nullptr, WNOHANG);
} catch (const std::exception&) {  // no memory: another time
}

void KeptChild::adopt() noexcept {
    if (keeper_ >= 0)  // it is our child when the keeper has gone, not before
        while (waitpid(keeper_, nullptr, 0) < 0 && errno == EINTR) {
        }
    keeper_ = -1;
    adopted_ = true;
    const int child = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    // who polls fd_ goes on to; the pipe at its end would be readable for ever, so else something that never is
    const int other = child >= 0 ? child : eventfd(0, EFD_CLOEXEC);
    if (other < 0) return;
    dup3(other, fd_, O_CLOEXEC);
    close(other);
}

}  // namespace tiffany::paltrace
