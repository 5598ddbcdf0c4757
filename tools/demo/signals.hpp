#pragma once
/// SIGINT and SIGTERM, which ask the demo to end.

#include <csignal>

#include "file_descriptor.hpp"

namespace tiffany::demo {

sigset_t end_signals() noexcept;
/// They, which the program has blocked, as a descriptor that a task waits for. Errors: std::system_error.
FileDescriptor open_signals();

}  // namespace tiffany::demo
