#include "as_root.hpp"

#include <unistd.h>

#include <tiffany/pal/error.hpp>

#include "find_program.hpp"

namespace tiffany::paltrace {

std::string as_root(const std::string& command) try {
    if (geteuid() == 0) return command;
    need_program("sudo");
    return "sudo " + command;
} catch (const Error&) {
    return "as root: " + command;
}

}  // namespace tiffany::paltrace
