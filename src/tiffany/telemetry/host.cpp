#include "host.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace tiffany::detail {

std::string host_name() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return {};
    return name.data();
}

std::string program_name() {
    return program_invocation_short_name;  // glibc's
}

}  // namespace tiffany::detail
