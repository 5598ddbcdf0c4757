#include "find_program.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <tiffany/pal/error.hpp>

#include "run_tool.hpp"

namespace tiffany::paltrace {
namespace {

/// 0 if it can be executed, else why not.
int refusal(const std::string& path) {
    struct stat about {};
    if (stat(path.c_str(), &about) != 0) return errno;
    if (S_ISDIR(about.st_mode)) return EISDIR;
    return access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

}  // namespace

void need_program(const std::string& name) {
    if (name.empty()) throw Error{ErrorKind::usage, "cannot run COMMAND: its name is empty"};
    int cause = ENOENT;
    if (name.find('/') != std::string::npos) {
        cause = refusal(name);
    } else {
        const char* const path = std::getenv("PATH");
        std::istringstream directories{path != nullptr ? path : "/bin:/usr/bin"};
        std::string directory;
        while (cause != 0 && std::getline(directories, directory, ':')) {
            const int here = refusal((directory.empty() ? "." : directory) + "/" + name);
            if (here == 0 || here == EACCES) cause = here;
        }
    }
    if (cause != 0) throw Error{ErrorKind::system, "cannot run " + name + ": " + std::strerror(cause)};
}

void need_preload(const std::string& library) {
    // The linker's only answer to a library that it cannot preload is a line on stderr of every program.
    const ToolResult result =
        run_tool({"true"}, {{"LD_PRELOAD", library}, {"LTTNG_UST_REGISTER_TIMEOUT", "0"}}, std::chrono::seconds{10});
    if (!result.good() || !result.output.empty())
        throw Error{ErrorKind::system, "cannot preload " + library + ": " + result.last_line()};
}

}  // namespace tiffany::paltrace
