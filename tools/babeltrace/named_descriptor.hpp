#pragma once
/// Which descriptor of ours an input's path names. Private to tools.

#include <string>

namespace tiffany::ctf {

/// 0 for `-` and `/dev/stdin`, N for N in `/proc/self/fd` (`/dev/fd`), and for symbolic links that lead to one of
/// these; -1 for any other path, and if N is not open. The process that opens such a path must have that descriptor.
int descriptor_named(const std::string& path);

}  // namespace tiffany::ctf
