#include "signals.hpp"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

namespace tiffany::demo {

FileDescriptor open_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    FileDescriptor signals{signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
    if (signals.get() < 0) throw std::system_error{errno, std::system_category(), "cannot read signals"};
    return signals;
}

}  // namespace tiffany::demo
