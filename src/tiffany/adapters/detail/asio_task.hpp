#pragma once
// What the adapter keeps of a task, and what is told of it. It knows nothing of Boost: asio_tracking.hpp and asio.hpp
// translate. What a task does on a thread is in asio_run.hpp.

#include <atomic>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <tiffany/adapters/detail/asio_thread.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <typeinfo>
#include <utility>

namespace tiffany::detail {

class AsioTask;

/// A shared hold on a task: executors outlive it, in sockets and timers that were made with them.
class AsioTaskRef {
  public:
    AsioTaskRef() = default;
    explicit AsioTaskRef(AsioTask* task) noexcept : task_{task} {}  // takes over a hold
    inline AsioTaskRef(const AsioTaskRef& other) noexcept;
    AsioTaskRef(AsioTaskRef&& other) noexcept : task_{std::exchange(other.task_, nullptr)} {}
    AsioTaskRef& operator=(AsioTaskRef other) noexcept {
        std::swap(task_, other.task_);
        return *this;
    }
    inline ~AsioTaskRef();

    /// Gives the hold away: the caller lets go of it.
    AsioTask* release() noexcept { return std::exchange(task_, nullptr); }

    AsioTask* operator->() const noexcept { return task_; }
    AsioTask& operator*() const noexcept { return *task_; }
    explicit operator bool() const noexcept { return task_ != nullptr; }
    friend bool operator==(const AsioTaskRef&, const AsioTaskRef&) = default;

  private:
    AsioTask* task_ = nullptr;
};

/// Where a task runs: all that its executor on an io_context holds (asio_executor.hpp).
struct AsioPlace {
    std::uintptr_t word;  // the context's address; properties of the executor in its lowest bits
    AsioTaskRef task;     // null: it was moved from

    // what an executor of the context's own may do, too, is 0
    static constexpr std::uintptr_t kNeverBlocks = 1;
    static constexpr std::uintptr_t kContinues = 2;
    std::uintptr_t context() const noexcept { return word & ~(kNeverBlocks | kContinues); }
};

/// What a task suspends for.
enum class AsioWait : std::uint8_t { timer, io, join, other };

/// What a function that is given to the task's executor is to the task.
struct AsioWake {
    enum class Kind : std::uint8_t {
        plain,    // nothing: it runs as it would without us
        claimed,  // it resumes the task, which is Ready already
        late,     // it may resume the task: that is seen, and told, when it is called
    };
    Kind kind = Kind::plain;
    WakeCause cause = WakeCause::external;
    bool at_once = false;  // it runs from `at` on: whoever gives the function to the executor calls it
    std::uint64_t waker = 0;
    Stamp at = {};  // when it became Ready, if somebody listens
};

class AsioTask {
  public:
    // Holds, of which some count as work of the task's io_context. All are counted here, in a cache line of the task: a
    // context has one count for all of its threads, and an await takes such a hold and lets go of it more than once.

    void hold() noexcept { holds_.fetch_add(1, std::memory_order_relaxed); }
    void let_go() noexcept {
        // acq_rel: the last one to let go sees what the others wrote
        if (holds_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy(this);
    }
    /// As hold(), and counts as work. @param begin_work, end_work  called with the first one, and if it was not
    template <typename Begin, typename End>
    void hold_working(const Begin& begin_work, const End& end_work) noexcept {
        bool began = false;
        std::uint64_t held = holds_.load(std::memory_order_relaxed);
        do {
            if (held < kWorkingHold && !began) {  // before others can see that it has begun
                begin_work();
                began = true;
            }
        } while (!holds_.compare_exchange_weak(held, held + kWorkingHold + 1, std::memory_order_acq_rel,
                                               std::memory_order_relaxed));
        if (began && held >= kWorkingHold) end_work();  // another one was first
    }
    template <typename End>
    void let_go_working(const End& end_work) noexcept {
        const std::uint64_t held = holds_.fetch_sub(kWorkingHold + 1, std::memory_order_acq_rel);
        if (held < 2 * kWorkingHold) end_work();
        if (held == kWorkingHold + 1) destroy(this);
    }

    /// Fires Spawned, the parent being the task that runs here. Errors: std::bad_alloc.
    static AsioTaskRef spawn(asio::Telemetry& telemetry, SpawnInfo info);

    std::uint64_t tid() const noexcept { return times_.tid(); }
    TaskState state() const noexcept { return times_.state(); }
    TaskTimes& times() noexcept { return times_; }

    /// A function is given to the task's executor: what it is, and the hooks for that. Any thread.
    AsioWake wake() noexcept;
    /// The function that was to resume it will not be called.
    void drop_claim() noexcept;

    /// The task that runs here, if one does, is about to wait for the end of this one.
    void joined_here() noexcept;

    /// It is about to suspend; for the run that owns it.
    /// @param at  the time, if the caller had it
    void suspend(AsioRun& run, AsioWait what, std::uint64_t number, Stamp at = {}) noexcept;
    /// The time on this thread; unknown if nobody listens to it here.
    Stamp now() const noexcept { return worker().now(); }

    /// The type of the executor that its coroutine has, if that is an AsioPlace; else null.
    const std::type_info* place_type() const noexcept { return place_type_; }
    /// Before anybody else has the task.
    void set_place_type(const std::type_info& type) noexcept { place_type_ = &type; }

    void end_done() noexcept { end(End::done); }
    /// Failed, or Cancelled if the exception is an operation_aborted.
    void end_failed(std::string_view error) noexcept;
    void end_aborted() noexcept { end(End::aborted); }
    void end_destroyed() noexcept { end(End::destroyed); }

  private:
    friend class AsioRun;
    friend class AsioSuspension;
    friend class asio::Telemetry;

    // Who may call hooks on the task, that is, touch times_ and what stands below it: whoever took the state from one
    // of the first three to `claimed` or `running`, until it stores one of these three. So hooks on one task never
    // race, whatever the program does with its executor.
    enum class State : std::uint8_t {
        ready,    // told Ready; no function that resumes it is in the executor
        typed,    // suspended for an operation of Asio, whose completion says so
        untyped,  // suspended for a thing unknown: what is given to the executor resumes it
        claimed,  // told Ready; the function that resumes it is in the executor
        running,
        ended,
    };
    // it ended on a thread that may not tell; the one that may will, and until then this holds the task
    static constexpr std::uint8_t kEnds = 0x80;

    enum class End : std::uint8_t { done, failed, aborted, destroyed };

    explicit AsioTask(asio::Telemetry& telemetry) noexcept : telemetry_{&telemetry} {}
    ~AsioTask() = default;

    static constexpr std::uint64_t kWorkingHold = std::uint64_t{1} << 32;
    static void destroy(AsioTask* task) noexcept;

    /// The loop that this thread has for its telemetry; null: none.
    AsioLoop* loop() const noexcept {
        AsioLoop* const loop = asio_thread.loop;
        return loop != nullptr && loop->is_of(telemetry_) ? loop : nullptr;
    }
    Worker& worker() const noexcept { return worker_of(loop()); }
    Worker& worker_of(AsioLoop* its_loop) const noexcept {
        if (its_loop == nullptr) return foreign_worker();
        its_loop->unpark();
        return its_loop->worker();
    }
    Worker& foreign_worker() const noexcept;

    // acquire: with it comes what the last one that had the task wrote
    bool claim(State from, State to) noexcept {
        auto expected = static_cast<std::uint8_t>(from);
        return state_.compare_exchange_strong(expected, static_cast<std::uint8_t>(to), std::memory_order_acq_rel,
                                              std::memory_order_acquire);
    }
    void publish(State from, State to) noexcept;
    /// Why the completion of the operation that it waits for wakes it.
    WakeCause cause_of(AsioCompleting completing) const noexcept {
        if (completing == AsioCompleting::aborted_coroutine) return WakeCause::cancel;
        if (waits_for_ == AsioWait::io) return WakeCause::io;
        return waits_for_ == AsioWait::timer ? WakeCause::timer : WakeCause::external;
    }
    void tell_ready(Worker& its_worker, WakeCause cause, std::uint64_t waker, Stamp at) noexcept {
        const std::uint64_t late_ns = cause == WakeCause::timer && number_ != 0 ? late(its_worker, at) : 0;
        its_worker.ready(times_, cause, waker, late_ns, at);
    }
    std::uint64_t late(const Worker& its_worker, Stamp at) const noexcept {
        const std::uint64_t slept_ns = its_worker.ns_between(suspended_at_, at);
        return slept_ns > number_ ? slept_ns - number_ : 0;
    }
    void suspend_unknown(AsioRun& run) noexcept;
    void end(End how) noexcept;
    void tell_end(Worker& worker, End how) noexcept;
    void finish_for_other(Worker& worker) noexcept;
    void abandon() noexcept;

    asio::Telemetry* telemetry_;
    const std::type_info* place_type_ = nullptr;
    std::atomic<std::uint64_t> holds_{1};  // the upper half: those that count as work
    std::atomic<std::uint8_t> state_{static_cast<std::uint8_t>(State::ready)};
    AsioWait waits_for_ = AsioWait::other;
    std::uint64_t number_ = 0;  // timer: ns asked for; join: the target
    Stamp suspended_at_ = {};
    End end_ = End::done;  // these two: writer: the coroutine's thread, before kEnds
    std::string error_;
    TaskTimes times_;
};

inline AsioTaskRef::AsioTaskRef(const AsioTaskRef& other) noexcept : task_{other.task_} {
    if (task_ != nullptr) task_->hold();
}
inline AsioTaskRef::~AsioTaskRef() {
    if (task_ != nullptr) task_->let_go();
}

/// Ends the task as destroyed unless something else was told: lives in the task's coroutine, and in what makes that.
class AsioGuard {
  public:
    explicit AsioGuard(AsioTaskRef task) noexcept : task_{std::move(task)} {}
    AsioGuard(AsioGuard&&) noexcept = default;
    AsioGuard& operator=(AsioGuard&&) = delete;
    ~AsioGuard() {
        if (task_) task_->end_destroyed();
    }

    void done() noexcept { std::exchange(task_, {})->end_done(); }
    /// Nothing if it is done: then what failed is the move of its result.
    /// @param aborted  the exception is an operation_aborted
    void failed(bool aborted, std::string_view error) noexcept {
        const AsioTaskRef task = std::exchange(task_, {});
        if (!task) return;
        if (aborted)
            task->end_aborted();
        else
            task->end_failed(error);
    }

  private:
    AsioTaskRef task_;
};

}  // namespace tiffany::detail
