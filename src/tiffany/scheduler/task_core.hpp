#pragma once
/// All that the scheduler knows of one task.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <tiffany/scheduler/detail/chain.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <vector>

#include "budget.hpp"
#include "task_life.hpp"

namespace tiffany::detail {

class Engine;
class Inbox;

/// What a task that is not ready is registered with.
enum class WaitsFor : std::uint8_t { nothing, sleep, quota, io, join, event, dependencies, wake };

struct CancelRequest {
    CancelCause cause = CancelCause::asked;
    std::uint64_t canceller = 0;
};

/// Writer: the scheduler's thread, but for the part that the inbox's lock guards.
struct TaskCore : Chain {
    static constexpr std::size_t kNotInHeap = static_cast<std::size_t>(-1);

    TaskLife life;
    Engine* engine = nullptr;
    std::shared_ptr<Inbox> inbox;    // how other threads reach the task; outlives the engine
    std::shared_ptr<TaskCore> self;  // the scheduler's hold on the task while it lives

    // ---- lists ----
    TaskCore* next_ready = nullptr;  // in the ready queue; after the end: in the list of the ended
    TaskCore* live_before = nullptr;
    TaskCore* live_after = nullptr;
    WaitList* wait_list = nullptr;  // the one it is in
    TaskCore* wait_before = nullptr;
    TaskCore* wait_after = nullptr;
    std::size_t heap_index = kNotInHeap;

    // ---- its wait ----
    WaitsFor waits_for = WaitsFor::nothing;
    bool timed_out = false;
    int fd = -1;
    std::error_code io_error;  // why it could not wait

    // ---- guarded by the inbox's lock ----
    bool wakeable = false;  // it sleeps until somebody wakes it
    bool woken = false;     // somebody did, before it slept

    // ---- who waits for its end ----
    WaitList joiners;
    std::vector<std::shared_ptr<TaskCore>> dependents;
    std::vector<std::shared_ptr<TaskCore>> dependencies;  // of a spawn on another thread, until it is adopted
    std::size_t dependencies_left = 0;

    // ---- its runs and its end ----
    Frame root;
    Budget budget;
    bool started = false;
    bool run_charged = false;
    std::optional<CancelRequest> requested;  // pending
    std::optional<CancelRequest> delivered;  // the last one that was thrown
    std::string error;
};

inline bool has_ended(const TaskCore& task) noexcept {
    const TaskState state = task.life.state();
    return state == TaskState::Finished || state == TaskState::Failed || state == TaskState::Cancelled;
}

}  // namespace tiffany::detail
