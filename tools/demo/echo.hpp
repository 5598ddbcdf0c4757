#pragma once
/// An echo server and its clients, over TCP on the loopback.

#include <cstdint>
#include <tiffany/scheduler/scheduler.hpp>

#include "file_descriptor.hpp"

namespace tiffany::demo {

/// A socket that listens on 127.0.0.1, at a port that the system chose.
struct Listener {
    FileDescriptor socket;
    std::uint16_t port = 0;
};
Listener listen_on_loopback();  ///< throws std::system_error

/// Accepts clients, and spawns a session for each, until it is cancelled.
Task<> serve(const Listener& listener, std::uint16_t group);

/// Connects, then sends a line each `pause`, until `stop`; fails if what comes back is not what it sent. Notes which
/// request it is at: "request", "CLIENT-MESSAGE", each counted from 0. Counts those that were answered.
Task<> chat(std::uint16_t port, int number, std::chrono::nanoseconds pause, const bool& stop, std::uint64_t& answered);

}  // namespace tiffany::demo
