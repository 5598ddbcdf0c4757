#include "lttng_fork.hpp"

#include <lttng/urcu/urcu-ust.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <string>
#include <string_view>
#include <tiffany/tracepoints/unseen.hpp>

// Exported by liblttng-ust, for liblttng-ust-fork; no installed header declares them.
extern "C" void lttng_ust_before_fork(sigset_t* save);
extern "C" void lttng_ust_after_fork_parent(sigset_t* restore);

namespace tiffany::detail {
namespace {

struct Fork {
    unsigned told = 0;  // so often, of the fork that goes on
    bool ours = false;  // and it was this that told LTTng
    sigset_t signals{};
};
thread_local Fork going_on;

/// As LTTng leaves them between its two calls.
bool signals_are_blocked() noexcept {
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (const int number : {SIGHUP, SIGINT, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGPROF})
        if (sigismember(&blocked, number) != 1) return false;
    return true;
}

/// Whether the process has another one that tells LTTng of forks: liblttng-ust-fork, or this module a second time, from
/// another file. Not asked of the dynamic linker, whose lock a thread may hold that waits for one of ours.
bool others_tell() noexcept {
    FILE* const maps = std::fopen("/proc/self/maps", "re");
    if (maps == nullptr) return false;
    bool others = false;
    std::array<char, 4096> line{};
    std::array<char, 4096> own{};  // the name of the first module that is met
    while (!others && std::fgets(line.data(), static_cast<int>(line.size()), maps) != nullptr) {
        const std::string_view mapping{line.data()};
        const std::size_t path = mapping.find('/');
        if (path == std::string_view::npos) continue;
        const std::string_view file = mapping.substr(path);
        if (file.find("/liblttng-ust-fork.so") != std::string_view::npos) others = true;
        if (file.find("/libtiffany-lttng.so") == std::string_view::npos) continue;
        if (own[0] == 0)
            file.copy(own.data(), own.size() - 1);
        else
            others = others || file != std::string_view{own.data()};
    }
    std::fclose(maps);
    return others;
}

}  // namespace

void before_fork() noexcept {
    if (going_on.told++ != 0) return;
    const Unseen unseen;
    // told twice LTTng would wait for itself
    going_on.ours = !(signals_are_blocked() && others_tell());
    if (going_on.ours) lttng_ust_before_fork(&going_on.signals);
}

void after_fork_in_parent() noexcept {
    if (--going_on.told != 0 || !going_on.ours) return;
    const Unseen unseen;
    lttng_ust_after_fork_parent(&going_on.signals);
}

void after_fork_in_child() noexcept {
    if (--going_on.told != 0 || !going_on.ours) return;
    const Unseen unseen;
    // Not lttng_ust_after_fork_child: that makes the child known to the session daemon, and waits for its buffers, as
    // --follow-fork asks for.
    lttng_ust_after_fork_parent(&going_on.signals);
    // forgets the other threads' readers
    lttng_ust_urcu_before_fork();
    lttng_ust_urcu_after_fork_child();
}

}  // namespace tiffany::detail
