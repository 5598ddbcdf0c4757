#pragma once
/// What the scheduler knows of a task through the hooks: its number, its state, its priority; and the hooks.
///
/// With telemetry these are telemetry's own. Without it nobody else keeps what the scheduler needs: the same calls then
/// keep it here, in 16 bytes.

#include <atomic>
#include <cstdint>
#include <string_view>
#include <tiffany/telemetry/hooks.hpp>

namespace tiffany::detail {

#if TIFFANY_TELEMETRY

using TaskLife = TaskTimes;
using LifeHooks = Worker;
using LifeHooksLease = WorkerLease;

inline LifeHooks& life_hooks_here(SchedulerTelemetry& telemetry) noexcept {
    return telemetry.here();
}
inline Stamp now_on(const Clock& clock) noexcept {
    return Stamp{clock.ticks()};
}
inline void hand_over(TaskTaker& taker, TaskLife& life) noexcept {
    taker.take(life);
}

#else

/// As TaskTimes: one writer at a time, `state()` by any thread.
class TaskLife {
  public:
    std::uint64_t tid() const noexcept { return tid_; }
    static const char* name() noexcept { return "task"; }  // nobody keeps it
    TaskState state() const noexcept { return state_.load(std::memory_order_relaxed); }
    std::uint8_t priority() const noexcept { return priority_; }

  private:
    friend class LifeHooks;
    void move(TaskState state) noexcept { state_.store(state, std::memory_order_relaxed); }

    static inline std::atomic<std::uint64_t> last_tid_{0};
    std::uint64_t tid_ = 0;
    std::atomic<TaskState> state_{TaskState::None};
    std::uint8_t priority_ = 0;
};

/// As Worker, without a memory of its own: any thread's hooks are the same.
class LifeHooks {
  public:
    static void spawned(TaskLife& task, const SpawnInfo& info, Stamp = {}) noexcept {
        task.tid_ = TaskLife::last_tid_.fetch_add(1, std::memory_order_relaxed) + 1;
        task.priority_ = info.priority;
        task.move(info.waiting ? TaskState::Waiting : TaskState::Ready);
    }
    static void ready(TaskLife& task, WakeCause, std::uint64_t = 0, std::uint64_t = 0, Stamp = {}) noexcept {
        task.move(TaskState::Ready);
    }
    static void running(TaskLife& task, Stamp = {}) noexcept { task.move(TaskState::Running); }
    static void yield(TaskLife& task, Stamp = {}) noexcept { task.move(TaskState::Ready); }
    static void sleep(TaskLife& task, std::uint64_t, Stamp = {}) noexcept { task.move(TaskState::Sleeping); }
    static void iowait(TaskLife& task, std::uint64_t, Stamp = {}) noexcept { task.move(TaskState::Waiting); }
    static void join(TaskLife& task, std::uint64_t, Stamp = {}) noexcept { task.move(TaskState::Waiting); }
    static void wait(TaskLife& task, WaitReason, std::uint64_t, Stamp = {}) noexcept { task.move(TaskState::Waiting); }
    static void throttled(TaskLife& task, std::uint64_t park_ns, Stamp = {}) noexcept {
        task.move(park_ns == 0 ? TaskState::Ready : TaskState::Throttled);
    }
    static void done(TaskLife& task, Stamp = {}) noexcept { task.move(TaskState::Finished); }
    static void failed(TaskLife& task, std::string_view, Stamp = {}) noexcept { task.move(TaskState::Failed); }
    static void cancelled(TaskLife& task, CancelCause, std::uint64_t = 0, Stamp = {}) noexcept {
        task.move(TaskState::Cancelled);
    }
    static constexpr bool listens() noexcept { return false; }
    static constexpr Stamp now() noexcept { return {}; }
    static constexpr bool is_dumping() noexcept { return false; }
    static constexpr std::uint64_t ns_between(Stamp, Stamp) noexcept { return 0; }
    static void park() noexcept {}
    static void unpark() noexcept {}
    static constexpr std::uint64_t longest_park_ns() noexcept { return 1'000'000'000; }

    static constexpr bool ticks_silently() noexcept { return true; }
    struct Tick {
        Tick(LifeHooks&, const TaskLife&) noexcept {}
        ~Tick() {}  // NOLINT(modernize-use-equals-default): not trivial, so that an unused one is no warning
        Tick(const Tick&) = delete;
        Tick& operator=(const Tick&) = delete;
    };
};

/// As WorkerLease.
class LifeHooksLease {
  public:
    LifeHooksLease() = default;
    LifeHooksLease(WorkerLease&&) noexcept {}
    LifeHooks& operator*() noexcept { return hooks_; }
    LifeHooks* operator->() noexcept { return &hooks_; }

  private:
    LifeHooks hooks_;
};

inline LifeHooks life_hooks_here(SchedulerTelemetry&) noexcept {
    return {};
}
inline Stamp now_on(const Clock&) noexcept {
    return {};
}
inline void hand_over(TaskTaker&, TaskLife&) noexcept {}

#endif

}  // namespace tiffany::detail
