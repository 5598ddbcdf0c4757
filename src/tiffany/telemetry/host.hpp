#pragma once
/// What this machine calls itself, and what this program is called: labels in logs.

#include <string>

namespace tiffany::detail {

/// Empty if the kernel does not say. Errors: std::bad_alloc.
std::string host_name();
/// Without its folders. Errors: std::bad_alloc.
std::string program_name();

}  // namespace tiffany::detail
