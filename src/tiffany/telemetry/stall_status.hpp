#pragma once
/// What became of TIFFANY_STALL, or of `Settings::stall`: docs/stalls.md.
///
///     const tiffany::StallStatus watch = tiffany::stall_status();
///     if (watch.problem != tiffany::StallProblem::none) std::cerr << "no watch: " << label(watch.problem) << '\n';

#include <chrono>
#include <cstdint>
#include <string_view>

namespace tiffany {

/// Why schedulers are not watched for runs that do not end; a closed set.
enum class StallProblem : std::uint8_t {
    none,       ///< they are, or nobody asked for it
    bad_bound,  ///< TIFFANY_STALL is no time
    refused,    ///< the system gave no thread for one of them: see `error`
    stripped,   ///< the program was built with TIFFANY_TELEMETRY=OFF: it has no hooks
};

constexpr std::string_view label(StallProblem problem) noexcept {
    switch (problem) {
        case StallProblem::none:
            return "none";
        case StallProblem::bad_bound:
            return "bad_bound";
        case StallProblem::refused:
            return "refused";
        case StallProblem::stripped:
            return "stripped";
    }
    return "?";
}

struct StallStatus {
    std::chrono::nanoseconds bound{0};  ///< what schedulers are watched with from their start; 0 = they are not
    StallProblem problem = StallProblem::none;
    int error = 0;  ///< errno of what was refused last; 0 = nothing
};

}  // namespace tiffany
