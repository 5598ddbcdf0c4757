#include "session_guard.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

constexpr std::chrono::seconds kDestroyPatience{20};
constexpr int kDestroyAttempts = 3;

/// In the guard's process. Never returns.
[[noreturn]] void stand_guard(pid_t caller, const std::vector<std::string>& argv, const Environment& environment,
                              const std::string& remove_at_end) {
    prctl(PR_SET_NAME, "paltrace-keeper");
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    setpgid(0, 0);
    // who reads our output waits for its end, and that is the caller's
    const int nothing = open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2})
        dup2(nothing, fd);
    sigset_t of_interest;
    sigemptyset(&of_interest);
    sigaddset(&of_interest, SIGHUP);   // from the kernel: the caller died
    sigaddset(&of_interest, SIGTERM);  // from the caller: it has done it itself
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    if (getppid() == caller && sigwaitinfo(&of_interest, nullptr) == SIGTERM) _exit(0);
    for (int attempt = 0; attempt < kDestroyAttempts; ++attempt)
        if (!run_tool(argv, environment, kDestroyPatience).timed_out) break;
    std::error_code ignored;  // it lies in the directory for temporary files: a left-over is nobody's harm
    std::filesystem::remove_all(remove_at_end, ignored);
    _exit(0);
}

}  // namespace

SessionGuard::SessionGuard(const std::vector<std::string>& argv, const Environment& environment,
                           const std::string& remove_at_end) {
    const pid_t caller = getpid();
    pid_ = fork();
    if (pid_ < 0)
        throw Error{ErrorKind::system,
                    std::string{"cannot make a process that guards the session: "} + std::strerror(errno)};
    if (pid_ != 0) return;
    try {
        stand_guard(caller, argv, environment, remove_at_end);
    } catch (...) {
        _exit(1);
    }
}

SessionGuard::~SessionGuard() {
    kill(pid_, SIGTERM);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace tiffany::paltrace
