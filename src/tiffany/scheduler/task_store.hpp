#pragma once
/// Where the tasks of a scheduler lie, and who has which number.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <tiffany/telemetry/hooks.hpp>
#include <unordered_map>
#include <vector>

#include "mapped_memory.hpp"
#include "task_core.hpp"
#include "timer_table.hpp"

namespace tiffany::detail {

class Engine;

/// Thread-safe. Tasks lie side by side in slabs, slabs in blocks, each as large as all before it; a task's place is the
/// number of its slot. Tasks are found by their tid through pages of 64: with the timer 25 bytes a task beyond the
/// task. Lives until the scheduler and the last handle are gone.
class TaskStore final : public TaskList {
  public:
    /// The caller has a hold on it until `drop`.
    static TaskStore* make(Engine& engine) { return new TaskStore{engine}; }
    TaskStore(const TaskStore&) = delete;
    TaskStore& operator=(const TaskStore&) = delete;
    void drop() noexcept;

    static TaskStore& of(const TaskCore& task) noexcept;

    /// From 1 on. No other task of the store has it while this one lives.
    static std::uint32_t place_of(const TaskCore& task) noexcept;
    /// The task that is there. Without the lock: whoever has its place knows that it lives.
    TaskCore& at(std::uint32_t place) const noexcept;
    TimerTable& timers() noexcept { return timers_; }

    /// A task without a number, held once. Errors: std::bad_alloc.
    TaskCore& make_task();
    /// From now on it is found by its number; room for that is there since make_task.
    void enter(TaskCore& task) noexcept;
    /// Nobody holds it any more.
    void destroy(TaskCore& task) noexcept;
    /// With the last of its holds it is destroyed.
    static void give_up(TaskCore& task, std::uint32_t holds) noexcept;

    /// A new hold on the task with that number; null: it has ended, or there is none.
    TaskCore* find(std::uint64_t tid) const noexcept;
    /// The same of a task that has a handle, ended or not; null: nobody has a handle of such a task. (Nothing but
    /// handles is a hold: two that look at the same time do not take each other for one.)
    TaskCore* find_held(std::uint64_t tid) const noexcept;

    // with the scheduler's lock held, without which none ends: they need no hold

    /// The task with that number; null: it has ended, or there is none.
    TaskCore* alive(std::uint64_t tid) const noexcept;
    /// All of them, in the order in which they were entered (tids are not: each thread has its own block of them).
    /// Errors: std::bad_alloc.
    std::vector<TaskCore*> all_alive() const;

    /// For a tracer that came late: those that are found, in the order of their places.
    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override;

    // ---- other threads come to the scheduler ----

    /// The scheduler, which stays until `leave`; null when it is closed.
    Engine* come() noexcept {
        // acquire: what the scheduler wrote before is seen
        if ((visitors_.fetch_add(1, std::memory_order_acquire) & kClosed) == 0) return engine_;
        leave();
        return nullptr;
    }
    void leave() noexcept { visitors_.fetch_sub(1, std::memory_order_release); }
    /// Nobody comes any more. Waits for those who are there, which takes as long as a push into an inbox.
    void close() noexcept;
    bool is_closed() const noexcept { return (visitors_.load(std::memory_order_acquire) & kClosed) != 0; }

  private:
    static constexpr std::uint64_t kClosed = std::uint64_t{1} << 63;
    static constexpr std::size_t kSlabBytes = std::size_t{1} << 15;
    static constexpr std::size_t kBlocks = 32;
    static constexpr std::size_t kTidsPerPage = 64;

    union Slot {
        Slot() noexcept {}  // NOLINT(modernize-use-equals-default): a union's would be deleted
        ~Slot() {}          // NOLINT(modernize-use-equals-default)
        TaskCore task;
        Slot* next_free;
    };
    struct Slab;
    struct Page {
        std::array<std::uint32_t, kTidsPerPage> places{};  // 1 + the number of the task's slot; 0: no such task
        std::array<std::uint32_t, kTidsPerPage> entered{};
        std::size_t used = 0;
    };

    explicit TaskStore(Engine& engine) noexcept : engine_{&engine} {}
    ~TaskStore();
    void add_slab();
    Slab& slab(std::size_t number) const noexcept;
    TaskCore* entered(std::uint64_t tid) const noexcept;  // with the mutex held
    static bool hold_if(TaskCore& task, std::uint32_t holds) noexcept;
    static void mark(TaskCore& task, bool listed) noexcept;

    Engine* const engine_;
    std::atomic<std::uint64_t> visitors_{0};

    mutable std::mutex mutex_;
    std::array<MappedMemory, kBlocks> blocks_;
    std::size_t slabs_ = 0;
    TimerTable timers_;
    Slot* free_ = nullptr;
    using Pages = std::unordered_map<std::uint64_t, Page>;
    Pages pages_;                                // by tid / 64
    std::vector<Pages::node_type> spare_pages_;  // so that `enter` allocates nothing
    std::size_t not_entered_ = 0;
    std::uint32_t entered_ = 0;  // how often; begins anew after 2^32, and ages are told by differences
    std::size_t tasks_ = 0;
    bool dropped_ = false;
};

}  // namespace tiffany::detail
