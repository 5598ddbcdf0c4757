#include "lttng_fork.hpp"

#include <dlfcn.h>
#include <link.h>
#include <lttng/urcu/urcu-ust.h>
#include <signal.h>

#include <atomic>
#include <cstddef>
#include <string_view>
#include <tiffany/tracepoints/unseen.hpp>

// Exported by liblttng-ust, for liblttng-ust-fork; no installed header declares them.
extern "C" void lttng_ust_before_fork(sigset_t* save);
extern "C" void lttng_ust_after_fork_parent(sigset_t* restore);

namespace tiffany::detail {
namespace {

/// Of the fork that goes on, and that this told LTTng of: behind LTTng's lock of forks. Not thread_local: the first use
/// of that may wait for the dynamic linker's lock (glibc before 2.34).
struct Told {
    std::atomic<pthread_t> by{};  // relaxed: compared with oneself alone
    unsigned times = 0;
    sigset_t signals{};

    bool by_this_thread() const noexcept { return by.load(std::memory_order_relaxed) == pthread_self(); }
    /// Whether it was for the last time.
    bool take_back() noexcept {
        if (!by_this_thread() || --times != 0) return false;
        by.store(pthread_t{}, std::memory_order_relaxed);
        return true;
    }
};
Told told;

/// As LTTng leaves them between its two calls.
bool signals_are_blocked() noexcept {
    sigset_t blocked;
    sigemptyset(&blocked);
    pthread_sigmask(SIG_BLOCK, nullptr, &blocked);
    for (const int number : {SIGHUP, SIGINT, SIGUSR1, SIGSEGV, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGPROF})
        if (sigismember(&blocked, number) != 1) return false;
    return true;
}

bool liblttng_ust_fork_told() noexcept;

void tell_before() noexcept {
    if (told.by_this_thread()) {
        ++told.times;
        return;
    }
    if (liblttng_ust_fork_told()) return;
    // a signal's handler that forks in the middle of an event: LTTng may wait, with its locks, for that event's end
    if (lttng_ust_urcu_read_ongoing() != 0) return;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGKILL);  // which no thread has blocked
    lttng_ust_before_fork(&signals);
    if (sigismember(&signals, SIGKILL) == 1) return;  // a thread of LTTng's, which does nothing there
    told.signals = signals;
    told.times = 1;
    told.by.store(pthread_self(), std::memory_order_relaxed);
}

/// LTTng's locks are behind this: then another fork may be told of.
void give_back() noexcept {
    sigset_t signals = told.signals;
    lttng_ust_after_fork_parent(&signals);
}

void tell_parent() noexcept {
    if (told.take_back()) give_back();
}

void tell_child() noexcept {
    if (!told.take_back()) return;
    // Not lttng_ust_after_fork_child: that makes the child known to the session daemon, and waits for its buffers, as
    // --follow-fork asks for.
    give_back();
    // forgets the other threads' readers
    lttng_ust_urcu_before_fork();
    lttng_ust_urcu_after_fork_child();
}

constexpr ForkCalls kOwn{&tell_before, &tell_parent, &tell_child};

/// What was in the process when this module was loaded. Not asked for at a fork: the dynamic linker's lock may then be
/// held by a thread that waits for ours, and whatever else tells may fail, where there are no files or no memory.
struct Found {
    bool liblttng_ust_fork = false;  // it cannot come later: loaded behind libc it would wrap no fork
    const ForkCalls* calls = &kOwn;  // of the first module
};

int look_at(dl_phdr_info* object, std::size_t, void* data) noexcept {
    Found& found = *static_cast<Found*>(data);
    const std::string_view file{object->dlpi_name != nullptr ? object->dlpi_name : ""};
    if (file.find("/liblttng-ust-fork.so") != std::string_view::npos) found.liblttng_ust_fork = true;
    if (found.calls != &kOwn || file.find("/libtiffany-lttng.so") == std::string_view::npos) return 0;
    // what loads this holds the dynamic linker's lock: no module comes, or goes, meanwhile
    void* const module = dlopen(object->dlpi_name, RTLD_LAZY | RTLD_NOLOAD);
    if (module == nullptr) return 0;
    if (auto* const calls = reinterpret_cast<ForkCallsFunction>(dlsym(module, kForkCallsSymbol))) found.calls = calls();
    dlclose(module);  // it stays: none is ever unloaded
    return 0;
}

const Found found = [] {
    Found in_process;
    dl_iterate_phdr(&look_at, &in_process);
    return in_process;
}();

bool liblttng_ust_fork_told() noexcept {
    return found.liblttng_ust_fork && signals_are_blocked();
}

}  // namespace

void before_fork() noexcept {
    const Unseen unseen;
    found.calls->before();
}

void after_fork_in_parent() noexcept {
    const Unseen unseen;
    found.calls->after_in_parent();
}

void after_fork_in_child() noexcept {
    const Unseen unseen;
    found.calls->after_in_child();
}

}  // namespace tiffany::detail

extern "C" __attribute__((visibility("default"))) const tiffany::detail::ForkCalls* tiffany_lttng_fork_calls_1() {
    return &tiffany::detail::kOwn;
}
