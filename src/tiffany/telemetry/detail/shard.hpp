#pragma once
/// A worker's part of its scheduler's metrics: plain counters with one writer, read by the scrape.
///
/// Every write is a relaxed load and store, no read-modify-write: the worker's thread is the only writer. A scrape may
/// read one transition late, and sums over workers need not agree to the last transition while tasks run.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <tiffany/telemetry/detail/histogram.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

inline constexpr std::size_t kMaxGroups = 32;  // with the default one, 0

/// The ways that a transition is counted: its event, and a second one for the two events that lead to either of two
/// states.
enum class Move : std::size_t {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) Name,
#include <tiffany/tracepoints/task_events.def>
    SpawnedWaiting,
    ThrottledParked,
};
inline constexpr std::size_t kMoves = kTransitions + 2;

constexpr TaskEvent task_event(Move move) noexcept {
    switch (move) {
        case Move::SpawnedWaiting:
            return TaskEvent::Spawned;
        case Move::ThrottledParked:
            return TaskEvent::Throttled;
        default:
            return static_cast<TaskEvent>(move);
    }
}

constexpr TaskState state_after(Move move) noexcept {
    switch (move) {
        case Move::Spawned:
        case Move::Ready:
        case Move::Yield:
        case Move::Throttled:
            return TaskState::Ready;
        case Move::Running:
            return TaskState::Running;
        case Move::Sleep:
            return TaskState::Sleeping;
        case Move::SpawnedWaiting:
        case Move::IoWait:
        case Move::Join:
        case Move::Wait:
            return TaskState::Waiting;
        case Move::ThrottledParked:
            return TaskState::Throttled;
        case Move::Done:
            return TaskState::Finished;
        case Move::Failed:
            return TaskState::Failed;
        case Move::Cancelled:
            return TaskState::Cancelled;
    }
    return TaskState::None;
}

/// In place of the state before: the gauges of a forked child do not follow this move of a task that it inherited.
inline constexpr std::size_t kInherited = kTaskStates;

struct Shard {
    Pending pending;        // of runs and ready delays
    Pending pending_waits;  // a wait and a ready delay end together
    // The transitions, by the state before and by move: one number tells of the event, of the state that the task left
    // and of the one it came into. The gauges are sums over these, made by the scrape; tasks move between workers, so
    // only the sums over all workers mean something. Writer: the worker's thread.
    alignas(64) std::array<std::array<std::atomic<std::uint64_t>, 16>, kTaskStates + 1> moves{};
    // Time held by a thread with a loop and not parked: the stretches that ended, and when the present one began
    // (ticks; 0 = none). Who ends one clears busy_since first, so that a scrape never counts it twice. Writer: the
    // worker's thread; when it is taken and given back, whoever holds the process's workers_mutex.
    std::atomic<std::uint64_t> busy_ns{0};
    std::atomic<std::uint64_t> busy_since{0};
    std::atomic<std::uint64_t> parked_at{0};      // ticks; 0 = not parked. Writer: the worker's thread
    std::atomic<std::uint64_t> running_since{0};  // ticks; 0 = runs no task. Writer: the worker's thread
    std::atomic<std::uint32_t> thread{0};         // its thread's id. Writer: whoever holds the process's workers_mutex
    // made when the group is registered, before its number is known to anybody; never replaced
    std::array<std::atomic<GroupShard*>, kMaxGroups> groups{};
    // While the worker is watched: the task that runs since running_since; 0 = not known. Written while running_since
    // is 0, so that who finds the same running_since before and after it has both of one run. Writer: the worker's
    // thread
    std::atomic<std::uint64_t> running_tid{0};
    // In a forked child: tasks that it inherited, by the state in which the gauges began to count them. Writer: the
    // worker's thread
    std::array<std::atomic<std::uint64_t>, kTaskStates> inherited{};

    Shard() = default;
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard() {
        for (auto& group : groups)
            delete group.load(std::memory_order_relaxed);
    }

    /// Errors: std::bad_alloc. Whoever holds the process's workers_mutex.
    void add_group(std::size_t number) {
        if (groups[number].load(std::memory_order_relaxed) == nullptr)
            groups[number].store(new GroupShard, std::memory_order_release);
    }
    /// Null for a number that nobody registered: its times go to the default group.
    GroupShard& group(std::uint16_t number) const noexcept {
        GroupShard* found = number < kMaxGroups ? groups[number].load(std::memory_order_acquire) : nullptr;
        return found != nullptr ? *found : *groups[0].load(std::memory_order_relaxed);
    }
    void count(std::size_t from, Move move) noexcept { add(moves[from][static_cast<std::size_t>(move)], 1); }
    /// Calls `each` with the state before (or kInherited), the move, and how often it was made.
    template <typename Each>
    void for_each_move(const Each& each) const {
        for (std::size_t from = 0; from < moves.size(); ++from)
            for (std::size_t move = 0; move < kMoves; ++move)
                each(from, static_cast<Move>(move), moves[from][move].load(std::memory_order_relaxed));
    }
    /// In a forked child everything starts at 0.
    void clear() noexcept {
        for (auto& from : moves)
            for (auto& number : from)
                number.store(0, std::memory_order_relaxed);
        pending.clear();
        pending_waits.clear();
        for (auto& group : groups)
            if (GroupShard* found = group.load(std::memory_order_relaxed)) found->clear();
        for (auto* number : {&busy_ns, &busy_since, &parked_at, &running_since, &running_tid})
            number->store(0, std::memory_order_relaxed);
        for (auto& number : inherited)
            number.store(0, std::memory_order_relaxed);
    }
};

}  // namespace tiffany::detail
