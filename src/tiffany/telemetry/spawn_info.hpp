#pragma once
/// What a runtime says of a task when it spawns it.

#include <cstdint>

namespace tiffany {

/// Where a task was spawned: a file's name that lives for ever, and a line. `Site::here()` as a default argument of a
/// runtime's spawn function is the place of the call, because clang 14 has no std::source_location.
struct Site {
    const char* file = "";
    std::uint32_t line = 0;

    static constexpr Site here(const char* file = __builtin_FILE(), std::uint32_t line = __builtin_LINE()) noexcept {
        return {file, line};
    }
};

/// What a spawn tells of a task. `name` must live as long as the task.
struct SpawnInfo {
    const char* name = "";
    Site site = {};
    std::uint8_t priority = 10;
    std::uint16_t group = 0;   ///< from SchedulerTelemetry::group(); 0 = the default one
    std::uint64_t parent = 0;  ///< tid of the task that spawns it; 0 = no task
    bool waiting = false;      ///< true: it has dependencies and begins in Waiting
};

}  // namespace tiffany
