#pragma once
// What the adapter keeps of a task, and when it calls the hooks. It knows nothing of Boost: asio_tracking.hpp and
// asio.hpp translate.

#include <atomic>
#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>

namespace tiffany::asio {
class Telemetry;
}

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

/// A function's run as a run of its task; on the stack around the call. Holds the thread's place in the chain of runs.
class AsioRun {
  public:
    AsioRun(AsioTask& task, const AsioWake& wake) noexcept;
    ~AsioRun();
    AsioRun(const AsioRun&) = delete;
    AsioRun& operator=(const AsioRun&) = delete;

    AsioTask& task() const noexcept { return task_; }

  private:
    friend class AsioTask;
    friend class AsioSuspension;
    friend bool asio_may_suspend() noexcept;
    friend bool asio_listens() noexcept;
    friend void asio_suspends(AsioWait, std::uint64_t) noexcept;

    /// Another task is about to run on this thread: the one that is told to run here is told to give way, and returned,
    /// to go_on() afterwards.
    static AsioRun* interrupt(AsioRun* innermost) noexcept;
    void go_on() noexcept;

    AsioTask& task_;
    AsioRun* outer_ = nullptr;
    bool owns_ = false;     // this thread may call hooks on the task: it runs, and nobody was told what it waits for
    bool is_told_ = false;  // it was told Running
    AsioRun* interrupted_ = nullptr;
    int suspending_ = 0;  // coroutines of this run that are being suspended now
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

    void end_done() noexcept { end(End::done); }
    /// Failed, or Cancelled if the exception is an operation_aborted.
    void end_failed(std::string_view error) noexcept;
    void end_aborted() noexcept { end(End::aborted); }
    void end_destroyed() noexcept { end(End::destroyed); }

  private:
    friend class AsioRun;
    friend class AsioSuspension;
    friend class asio::Telemetry;
    friend bool asio_may_suspend() noexcept;
    friend bool asio_listens() noexcept;
    friend void asio_suspends(AsioWait, std::uint64_t) noexcept;

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
    static constexpr std::uint8_t kEnds = 0x80;  // it ended on a thread that may not tell; the one that may will

    enum class End : std::uint8_t { done, failed, aborted, destroyed };

    explicit AsioTask(asio::Telemetry& telemetry) noexcept : telemetry_{&telemetry} {}
    ~AsioTask() = default;

    static constexpr std::uint64_t kWorkingHold = std::uint64_t{1} << 32;
    static void destroy(AsioTask* task) noexcept;
    Worker& worker() const noexcept;
    bool claim(State from, State to) noexcept;
    void publish(State from, State to) noexcept;
    void tell_ready(Worker& worker, const AsioWake& wake) noexcept;
    void suspend(AsioRun& run, AsioWait what, std::uint64_t number) noexcept;
    void suspend_unknown(AsioRun& run) noexcept;
    void end(End how) noexcept;
    void tell_end(Worker& worker, End how) noexcept;
    void finish_for_other(Worker& worker) noexcept;
    void abandon() noexcept;

    asio::Telemetry* telemetry_;
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

/// The function that resumes a task, as the inner executor gets it.
template <typename Function>
class AsioResume {
  public:
    AsioResume(AsioTaskRef task, const AsioWake& wake, Function function)
        : task_{std::move(task)}, wake_{wake}, function_{std::move(function)} {}
    AsioResume(AsioResume&&) noexcept = default;
    AsioResume& operator=(AsioResume&&) = delete;
    ~AsioResume() {  // before the function dies: with it the task's coroutine may
        if (task_ && wake_.kind == AsioWake::Kind::claimed) task_->drop_claim();
    }

    void operator()() {
        const AsioTaskRef task = std::move(task_);
        const AsioRun run{*task, wake_};
        function_();
    }

  private:
    AsioTaskRef task_;
    AsioWake wake_;
    Function function_;
};

// ---- what Asio's handler tracking tells ----

/// Whether a task runs here whose suspension is not told yet.
bool asio_may_suspend() noexcept;
/// The same, and somebody listens. Only after asio_may_suspend().
bool asio_listens() noexcept;
/// The task that runs here is about to start an operation that will resume it.
/// @param number  timer: how long, ns, 0 = for ever; io: the descriptor
void asio_suspends(AsioWait what, std::uint64_t number) noexcept;

/// While a coroutine is being suspended: its operation is started within. `co_spawn`: the coroutine is a new one, and
/// what runs here goes on.
class AsioSuspension {
  public:
    explicit AsioSuspension(bool co_spawn) noexcept;
    ~AsioSuspension();
    AsioSuspension(const AsioSuspension&) = delete;
    AsioSuspension& operator=(const AsioSuspension&) = delete;

  private:
    AsioRun* run_;
    bool co_spawn_;
    int outer_ = 0;
};

/// While an operation of Asio completes.
class AsioUpcall {
  public:
    explicit AsioUpcall(bool resumes_coroutine) noexcept : resumes_coroutine_{resumes_coroutine} {}
    ~AsioUpcall() {
        if (began_) end();
    }
    AsioUpcall(const AsioUpcall&) = delete;
    AsioUpcall& operator=(const AsioUpcall&) = delete;

    /// Its handler is about to be called, or given to an executor. (Where a context is destroyed, it is not.)
    void begin(bool aborted) noexcept;

  private:
    void end() noexcept;

    bool resumes_coroutine_;
    bool began_ = false;
    std::uint8_t outer_ = 0;
};

/// A thread's loop: a worker of its own, ticks and parks.
class AsioLoop {
  public:
    explicit AsioLoop(asio::Telemetry& telemetry);
    ~AsioLoop();
    AsioLoop(const AsioLoop&) = delete;
    AsioLoop& operator=(const AsioLoop&) = delete;

    /// Returns how long the thread may block, ns.
    std::uint64_t park() noexcept;
    void unpark() noexcept {
        if (parked_) end_park();
    }

    bool is_of(const Worker& worker) const noexcept { return &worker == &*lease_; }
    void begin_tick(const TaskTimes& times) noexcept { tick_.emplace(*lease_, times); }
    void end_tick() noexcept { tick_.reset(); }

  private:
    void end_park() noexcept;

    WorkerLease lease_;
    AsioLoop* outer_;  // a handler of that one, another telemetry's, runs this one
    bool parked_ = false;
    std::optional<Worker::Tick> tick_;
};

}  // namespace tiffany::detail
