#include "end_signals.hpp"

#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

bool is_ignored(int number) {
    struct sigaction action {};
    return sigaction(number, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

}  // namespace

EndSignals::EndSignals() {
    sigset_t taken;
    sigemptyset(&taken);
    // One that our caller ignores (nohup, a background job) stays ignored: blocked, it would come through after all.
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT})
        if (!is_ignored(number)) sigaddset(&taken, number);
    fd_ = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd_ < 0)
        throw Error{ErrorKind::system, std::string{"cannot take signals from a descriptor: "} + std::strerror(errno)};
    sigprocmask(SIG_BLOCK, &taken, &before_);
    // A reader of our stderr that goes away must not end us half way.
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, &pipe_before_);
}

EndSignals::~EndSignals() {
    while (take()) {  // what came has been answered; it must not end us now
    }
    close(fd_);
    sigaction(SIGPIPE, &pipe_before_, nullptr);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
}

std::optional<EndSignals::Got> EndSignals::take() noexcept {
    signalfd_siginfo info{};
    ssize_t bytes = 0;
    do {
        bytes = read(fd_, &info, sizeof info);
    } while (bytes < 0 && errno == EINTR);
    if (bytes != static_cast<ssize_t>(sizeof info)) return std::nullopt;
    return Got{static_cast<int>(info.ssi_signo), info.ssi_code == SI_KERNEL};
}

}  // namespace tiffany::paltrace
