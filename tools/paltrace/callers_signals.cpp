#include "callers_signals.hpp"

#include <csignal>

namespace tiffany::paltrace {
namespace {

sigset_t blocked;
struct sigaction pipe_action;
struct sigaction child_action;

}  // namespace

void take_callers_signals() noexcept {
    sigprocmask(SIG_BLOCK, nullptr, &blocked);
    sigaction(SIGPIPE, nullptr, &pipe_action);
    struct sigaction by_default {};
    by_default.sa_handler = SIG_DFL;
    sigaction(SIGCHLD, &by_default, &child_action);
}

void give_callers_signals() noexcept {
    sigaction(SIGPIPE, &pipe_action, nullptr);
    sigaction(SIGCHLD, &child_action, nullptr);
    sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

}  // namespace tiffany::paltrace
