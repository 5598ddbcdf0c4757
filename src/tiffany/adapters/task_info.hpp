#pragma once
/// What a program tells of a task where it spawns it through an adapter; each adapter's namespace has it.

#include <cstdint>
#include <tiffany/telemetry/spawn_info.hpp>

namespace tiffany {

struct TaskInfo {
    const char* name = "";       ///< lives as long as the task: a string literal
    std::uint16_t group = 0;     ///< from Telemetry::group(); 0 = the default one
    std::uint8_t priority = 10;  ///< told, and means nothing here

    /// The same of a task that is spawned there.
    constexpr SpawnInfo at(Site site) const noexcept {
        return {.name = name, .site = site, .priority = priority, .group = group};
    }
};

}  // namespace tiffany
