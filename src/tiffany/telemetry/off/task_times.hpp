#pragma once
/// TaskTimes without telemetry: nothing. Included by tiffany/telemetry/task_times.hpp.

#include <cstdint>
#include <tiffany/telemetry/spawn_info.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany {
inline namespace off {

class TaskTimes {
  public:
    constexpr TaskTimes() = default;
    TaskTimes(const TaskTimes&) = delete;
    TaskTimes& operator=(const TaskTimes&) = delete;

    static constexpr std::uint64_t tid() noexcept { return 0; }
    static constexpr TaskState state() noexcept { return TaskState::None; }
    static constexpr WaitKind waited() noexcept { return WaitKind::none; }
    static constexpr std::uint64_t step() noexcept { return 0; }
    static constexpr const char* name() noexcept { return ""; }
    static constexpr Site site() noexcept { return {}; }
    static constexpr std::uint8_t priority() noexcept { return 0; }
    static constexpr std::uint16_t group() noexcept { return 0; }
};

}  // namespace off
}  // namespace tiffany
