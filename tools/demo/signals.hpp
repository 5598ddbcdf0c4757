#pragma once
/// SIGINT and SIGTERM, which the program has blocked, as a descriptor that a task waits for.

#include "file_descriptor.hpp"

namespace tiffany::demo {

/// Errors: std::system_error.
FileDescriptor open_signals();

}  // namespace tiffany::demo
