#pragma once
/// The signals that ask the demo to end.

#include <csignal>

namespace tiffany::demo {

inline sigset_t end_signals() noexcept {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

}  // namespace tiffany::demo
