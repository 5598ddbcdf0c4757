#pragma once
/// What schedulers and tasks are made with.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <tiffany/scheduler/task_handle.hpp>
#include <tiffany/telemetry/clock.hpp>
#include <type_traits>

namespace tiffany {

struct SchedulerOptions {
    std::string_view name = "scheduler";  ///< in traces and metrics
    /// A yield after a longer run is Throttled(0); 0 = none.
    std::chrono::nanoseconds quantum{std::chrono::milliseconds{5}};
    Clock* clock = nullptr;  ///< null: Clock::system(); must outlive the scheduler
    bool metrics = true;     ///< count transitions and times
    /// Tasks that may be alive at a time; a spawn past it is refused.
    std::size_t max_live = std::numeric_limits<std::size_t>::max();
};

/// What a spawn says of a task.
struct SpawnOptions {
    const char* name = "task";   ///< what kind of task it is; must live as long as the task: a string literal
    std::uint8_t priority = 10;  ///< 0 is the most urgent; first come, first served within one
    std::uint16_t group = 0;     ///< from SchedulerTelemetry::group(); 0 = the default one
    /// It begins when these have finished; when one of them fails or is cancelled, it is cancelled (cause dependency).
    /// They lie in a variable: `const TaskRef needs[] = {first, last};` and `.dependencies = needs`. A spawn copies
    /// them.
    TaskRefs dependencies = {};
    std::optional<std::chrono::nanoseconds> quantum = {};  ///< its own; none = the scheduler's, 0 = no quantum
    std::chrono::nanoseconds budget{0};                    ///< how long it may run in each period; 0 = no limit
    std::chrono::nanoseconds budget_period{std::chrono::milliseconds{100}};  ///< above 0
    /// Of a pool: the worker that it is queued at, from 0; none = the next one in turn. An idle one may take it before
    /// it begins, unless it is pinned.
    std::optional<unsigned> worker = {};
    bool pinned = false;  ///< of a pool: no other worker runs it
};
// g++ 12.2 destroys such a temporary twice in `co_await spawn({...}, f())`, without a warning: it may own nothing.
static_assert(std::is_trivially_destructible_v<SpawnOptions>);

}  // namespace tiffany
