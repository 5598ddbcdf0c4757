#pragma once
/// A directory for what nobody else is to see.

#include <cstddef>
#include <string>

namespace tiffany::ctf {

/// Makes one, mode 0700, in TMPDIR, or in /tmp where that is not set, no absolute path, or longer than
/// `longest_base` bytes. Returns its path; whoever called it removes it. Errors: Error that names where.
std::string make_private_directory(std::size_t longest_base = 4096);

}  // namespace tiffany::ctf
