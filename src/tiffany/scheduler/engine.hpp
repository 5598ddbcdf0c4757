#pragma once
/// What all loops of a scheduler share: its tasks, its lock, its telemetry.

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tiffany/scheduler/scheduler_base.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>
#include <vector>

#include "loop.hpp"
#include "task_core.hpp"
#include "task_store.hpp"

namespace tiffany::detail {

/// now + by; Operation::kNever when that is past the last time there is.
std::uint64_t later(std::uint64_t now_ns, std::uint64_t by_ns) noexcept;

/// Thread-safe, but for what says otherwise. With one loop the lock is none: only that loop's thread comes here.
class Engine {
  public:
    /// @param loops  threads that run tasks; 0 = one, the calling thread
    /// Errors: std::bad_alloc; std::system_error when the system gives no epoll or eventfd.
    Engine(SchedulerBase& face, const SchedulerOptions& options, unsigned loops);
    ~Engine();
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    // ---- the lock: guards all that tasks wait with ----

    void lock() noexcept {
        if (many_) mutex_.lock();
    }
    void unlock() noexcept {
        if (many_) mutex_.unlock();
    }

    // ---- tasks come ----

    /// Any thread. Errors: SpawnRefused; std::invalid_argument; std::bad_alloc.
    TaskHandle spawn(const SpawnOptions& options, Frame frame, Site site, KeepResult keep);
    /// Any thread. Does nothing once the scheduler is closed. Errors: std::bad_alloc.
    void post(std::function<void()> function);
    /// A task that was spawned elsewhere, or by a thread of ours, begins: it is Ready, or waits for its dependencies.
    /// With the lock held.
    void adopt(TaskCore& task) noexcept;

    // ---- they are woken, and asked to end; with the lock held; with one loop: on its thread ----

    bool cancel(TaskCore& task, CancelCause cause) noexcept;
    /// It waits no more, whatever for: fires Ready, and queues it where it ran last.
    void make_ready(TaskCore& task, WakeCause cause, std::uint64_t waker, std::uint64_t late_ns = 0,
                    Stamp at = {}) noexcept;
    /// The task has ended: tells those who wait for it.
    void tell_end(TaskCore& task, Stamp at) noexcept { tell_end(task, at, true); }
    /// The tasks that would wait for each other if that join began: "a (1) -> b (2) -> a (1)"; empty: it can end.
    std::string cycle_through(const TaskCore& joiner, const TaskCore& target) const;

    /// Of a task by its number. Any thread. Errors: std::bad_alloc.
    bool cancel(std::uint64_t tid);
    void cancel_all();  ///< cause shutdown. Errors: std::logic_error, another thread runs the only loop; std::bad_alloc
    void refuse_spawns() noexcept { refusing_.store(true, std::memory_order_relaxed); }
    /// Ends all tasks where they are. No loop runs any more. One thread. Out of memory here ends the program.
    void close() noexcept;

    // ---- who is here ----

    /// The loop whose thread this is; null on another thread.
    Loop* home() noexcept;
    /// This thread runs the only loop until `end_driving`. Errors: std::logic_error, and it does not: it does already,
    /// or another one does.
    void begin_driving();
    /// Errors: std::logic_error, which says "cannot WHAT scheduler NAME": one of its tasks runs on this thread, or
    /// another thread runs the only loop.
    void refuse_within(const char* what) const;
    /// The same of a pool's threads, whatever they do.
    void refuse_own_threads(const char* what) const;
    void end_driving() noexcept { driver_.store({}, std::memory_order_release); }
    /// Calls `fire` with the hooks of this thread.
    template <typename Fire>
    void with_hooks(const Fire& fire) noexcept {
        if (Loop* const loop = home()) {
            fire(loop->hooks());
        } else {
            auto&& hooks = life_hooks_here(telemetry_);
            fire(hooks);
        }
    }
    std::uint64_t current_tid() noexcept;
    bool is_many() const noexcept { return many_; }
    bool is_closed() const noexcept { return closed_.load(std::memory_order_relaxed); }

    TaskHandle find(std::uint64_t tid) const noexcept;
    /// Held by a handle, ended or not: what `join(tid)` takes.
    TaskHandle find_held(std::uint64_t tid) const noexcept;
    std::size_t live() const noexcept { return live_.load(std::memory_order_acquire); }
    std::uint64_t now_ns() const noexcept { return clock_->monotonic_ns(); }
    Clock& clock() const noexcept { return *clock_; }
    std::uint64_t quantum_ns() const noexcept { return quantum_ns_; }
    SchedulerTelemetry& telemetry() noexcept { return telemetry_; }
    SchedulerBase& face() noexcept { return face_; }
    TaskStore& store() noexcept { return *store_; }

    // ---- loops ----

    std::size_t loops() const noexcept { return loops_.size(); }
    Loop& loop(std::size_t index) noexcept { return *loops_[index]; }
    /// A task more is ready than its loop can run now: a loop that is asleep may take it.
    void wake_one() noexcept;
    void fell_asleep() noexcept { asleep_.fetch_add(1); }
    void woke_up() noexcept { asleep_.fetch_sub(1); }
    /// All loops but one are asleep, and nothing is ready: lets a virtual clock go on to the next deadline. With the
    /// lock held. Returns whether it did, or somebody has to look again.
    bool advance_clock(Loop& by) noexcept;

    void stop() noexcept;  ///< any thread
    bool take_stop() noexcept { return stop_.load(std::memory_order_relaxed) && stop_.exchange(false); }

    /// Waits until no task is alive, `stop`, or that time. Returns whether none is. Not a thread of ours.
    bool wait_until_done(std::uint64_t deadline_ns);

    /// Unlocks, then destroys what the ended tasks leave: it may be a user's.
    void unlock_and_destroy() noexcept;

  private:
    /// Tasks in the order in which they were put in, linked by `next`.
    struct TaskQueue {
        TaskCore* head = nullptr;
        TaskCore* tail = nullptr;

        void push(TaskCore& task) noexcept {
            task.next = nullptr;
            (tail != nullptr ? tail->next : head) = &task;
            tail = &task;
        }
        TaskCore& pop() noexcept {
            TaskCore& first = *std::exchange(head, head->next);
            if (head == nullptr) tail = nullptr;
            return first;
        }
    };

    void admit();
    [[noreturn]] void refuse(SpawnRefused::Reason reason, const std::string& why) const;
    void dismiss() noexcept;  // with the lock held
    TaskHandle resolve(const TaskRef& ref) const;
    Loop& place_for(const SpawnOptions& options);
    Loop& next_in_turn(std::atomic<unsigned>& turn) noexcept;
    void end_unstarted(TaskCore& task, std::uint64_t canceller, Stamp at) noexcept;
    void wait_for_dependencies(TaskCore& task) noexcept;
    /// @param frame_is_gone  false: it goes with the lock, and the task counts as alive until then
    void tell_end(TaskCore& task, Stamp at, bool frame_is_gone) noexcept;

    SchedulerBase& face_;
    SchedulerTelemetry telemetry_;
    Clock* const clock_;
    const std::uint64_t quantum_ns_;
    const std::size_t max_live_;
    const std::string name_;
    const bool many_;
    const std::thread::id home_ = std::this_thread::get_id();
    TaskStore* const store_;
    std::vector<std::unique_ptr<Loop>> loops_;

    std::atomic<std::thread::id> driver_{};  // with one loop: the thread that runs it now
    std::atomic<std::size_t> live_{0};
    std::atomic<bool> refusing_{false};
    std::atomic<bool> closed_{false};
    std::atomic<bool> stop_{false};  // of the next run or wait
    std::atomic<unsigned> asleep_{0};
    std::atomic<unsigned> spawn_turn_{0};
    std::atomic<unsigned> post_turn_{0};
    std::atomic<unsigned> unseen_dependents_{0};  // spawned elsewhere, and not looked at yet

    std::mutex mutex_;
    std::condition_variable changed_;  // none is alive, or stop; only with many loops

    // ---- with the lock held ----
    TaskQueue to_tell_;  // whose end is still to be told: one after the other, because one may cause the next
    TaskQueue told_;     // what they leave is destroyed when the lock is free
    bool telling_ = false;
    std::multiset<std::uint64_t> deadlines_ns_;  // on a virtual clock: until when threads wait
    bool nothing_to_come_ = false;               // on a virtual clock: no time could wake a task
    std::size_t waiters_ = 0;                    // threads in wait_until_done
    std::uint64_t stops_ = 0;                    // that came while there were some: each ends all of their waits
};

/// What a task waits with while it has not begun, because of its dependencies.
Operation& waits_for_dependencies() noexcept;

inline Engine& engine_of(const TaskCore& task) noexcept {
    return loop_of(task).engine();
}
inline Engine& engine_of(const Operation& operation) noexcept {
    return engine_of(task_of(*operation.chain));
}

/// Holds the lock; what piles up meanwhile is destroyed after it.
class Guard {
  public:
    explicit Guard(Engine& engine) noexcept : engine_{engine} { engine_.lock(); }
    ~Guard() { engine_.unlock_and_destroy(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    Engine& engine_;
};

}  // namespace tiffany::detail
