#pragma once
/// Runs a helper program to its end, or to a deadline.

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "kept_child.hpp"

namespace tiffany::paltrace {

struct ToolResult {
    int status = 0;          ///< as a shell tells it: 0 to 255, 128 + n for a signal
    bool timed_out = false;  ///< it was killed, at the deadline or as hopeless
    std::string output;      ///< stdout and stderr
    bool good() const { return !timed_out && status == 0; }
    /// Its last line that is not empty: where programs put their complaint.
    std::string last_line() const;
};

/// @param hopeless  asked once a second: the program is killed when it has said so three times running
/// Errors: ErrorKind::system if the program cannot be started.
ToolResult run_tool(const std::vector<std::string>& argv, const Environment& environment,
                    std::chrono::milliseconds deadline, const std::function<bool()>& hopeless = nullptr);

/// The exit status that a shell would tell for a status of waitpid().
int shell_status(int wait_status);

}  // namespace tiffany::paltrace
