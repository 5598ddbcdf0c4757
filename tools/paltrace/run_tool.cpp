#include "run_tool.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <tiffany/pal/error.hpp>

namespace tiffany::paltrace {
namespace {

constexpr std::chrono::milliseconds kBetweenLooks{1000};
constexpr int kHopelessLooks = 3;

std::optional<int> wait_while_there_is_hope(KeptChild& tool, std::chrono::milliseconds deadline,
                                            const std::function<bool()>& hopeless) {
    if (hopeless == nullptr) return tool.wait(deadline);
    std::optional<int> ended;
    for (int looks = 0; !ended && deadline.count() > 0 && looks < kHopelessLooks; deadline -= kBetweenLooks) {
        ended = tool.wait(std::min(deadline, kBetweenLooks));
        looks = hopeless() ? looks + 1 : 0;
    }
    return ended;
}

}  // namespace

std::string ToolResult::last_line() const {
    std::size_t end = output.size();
    while (end > 0) {
        const std::size_t begin = output.rfind('\n', end - 1);
        const std::size_t first = begin == std::string::npos ? 0 : begin + 1;
        if (first < end) return output.substr(first, end - first);
        end = begin == std::string::npos ? 0 : begin;
    }
    return "";
}

ToolResult run_tool(const std::vector<std::string>& argv, const Environment& environment,
                    std::chrono::milliseconds deadline, const std::function<bool()>& hopeless) {
    // Output goes to memory, not to a pipe: a helper's left-over that holds the pipe open could not keep us waiting.
    const int memory = memfd_create("paltrace-tool", MFD_CLOEXEC);
    if (memory < 0)
        throw Error{ErrorKind::system, std::string{"cannot take a program's output: "} + std::strerror(errno)};
    ToolResult result;
    try {
        KeptChild tool{{.argv = argv,
                        .environment = environment,
                        .own_group = true,
                        .keeps_leftovers = true,
                        .log = "/proc/self/fd/" + std::to_string(memory)}};
        const std::optional<int> ended = wait_while_there_is_hope(tool, deadline, hopeless);
        result.timed_out = !ended;
        if (ended) result.status = shell_status(*ended);
        tool.end();
    } catch (...) {
        close(memory);
        throw;
    }
    std::array<char, 4096> block{};
    off_t at = 0;
    ssize_t bytes = 0;
    while ((bytes = pread(memory, block.data(), block.size(), at)) > 0) {
        result.output.append(block.data(), static_cast<std::size_t>(bytes));
        at += bytes;
    }
    close(memory);
    return result;
}

int shell_status(int wait_status) {
    return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace tiffany::paltrace
