#pragma once
/// Settings without telemetry: nothing fires, so nothing is written. Included by tiffany/telemetry/configure.hpp.

#include <tiffany/telemetry/pal_status.hpp>
#include <tiffany/telemetry/settings.hpp>
#include <tiffany/telemetry/stall_status.hpp>

namespace tiffany {
inline namespace off {

inline void configure(const Settings&) {}
inline PalStatus pal_status() {
    PalStatus status;
    status.problem = PalProblem::stripped;
    return status;
}
constexpr StallStatus stall_status() noexcept {
    return {std::chrono::nanoseconds{0}, StallProblem::stripped, 0};
}
constexpr bool flush_pal() noexcept {
    return true;
}

}  // namespace off
}  // namespace tiffany
