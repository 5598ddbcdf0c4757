#include "signals.hpp"

#include <sys/signalfd.h>

#include <cerrno>
#include <system_error>

namespace tiffany::demo {

sigset_t end_signals() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

FileDescriptor open_signals() {
    const sigset_t set = end_signals();
    FileDescriptor signals{signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (signals.get() < 0) throw std::system_error{errno, std::system_category(), "cannot read signals"};
    return signals;
}

}  // namespace tiffany::demo
