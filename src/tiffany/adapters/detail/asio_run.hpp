#pragma once
// What a task does on a thread: its runs, and what Asio's handler tracking tells of them. It knows nothing of Boost.

#include <cstdint>
#include <tiffany/adapters/detail/asio_task.hpp>
#include <tiffany/adapters/detail/asio_thread.hpp>
#include <utility>

namespace tiffany::detail {

/// A function's run as a run of its task; on the stack around the call. Holds the thread's place in the chain of runs.
/// The task may die before it: once it has ended, or suspended, another thread may drop all of it.
class AsioRun {
  public:
    /// The function was given to the task's executor.
    AsioRun(AsioTask& task, const AsioWake& wake) noexcept;
    /// The operation completes here whose handler resumes the task: it is Ready and runs.
    explicit AsioRun(AsioTask& task) noexcept;
    ~AsioRun();
    AsioRun(const AsioRun&) = delete;
    AsioRun& operator=(const AsioRun&) = delete;

    /// This thread may call hooks on the task: it runs, and nobody was told what it waits for.
    bool owns() const noexcept { return owns_; }
    AsioTask& task() const noexcept { return task_; }  // while it owns

  private:
    friend class AsioTask;
    friend class AsioSuspension;

    void begin(const AsioWake& wake) noexcept;
    void begin_otherwise() noexcept;
    void tell_running(Worker& worker, AsioLoop* loop, Stamp at) noexcept;
    /// Another task is about to run on this thread: the one that is told to run here is told to give way, and returned,
    /// to go_on() afterwards.
    static AsioRun* interrupt(AsioRun* innermost) noexcept;
    void go_on() noexcept;

    AsioTask& task_;
    std::uint64_t tid_;
    AsioRun* outer_;
    AsioRun* interrupted_ = nullptr;
    int suspending_ = 0;  // coroutines of this run that are being suspended now
    bool owns_ = false;
    bool is_told_ = false;  // it was told Running
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

/// The task that runs here and whose suspension is not told yet; null: none.
inline AsioTask* asio_may_suspend() noexcept {
    const AsioRun* const run = asio_thread.run;
    return run != nullptr && run->owns() ? &run->task() : nullptr;
}

/// The task that runs here is about to start an operation that will resume it. Only after asio_may_suspend().
/// @param number  timer: how long from `at` on, ns, 0 = for ever; io: the descriptor
/// @param at      the time, if the caller had it
inline void asio_suspends(AsioWait what, std::uint64_t number, Stamp at = {}) noexcept {
    AsioRun& run = *asio_thread.run;
    run.task().suspend(run, what, number, at);
}

/// While a coroutine is being suspended: its operation is started within.
class AsioSuspension {
  public:
    AsioSuspension() noexcept : run_{asio_thread.run}, is_of_new_one_{AsioBeginning::ends()} {
        if (run_ == nullptr) return;
        outer_ = run_->suspending_;
        run_->suspending_ = is_of_new_one_ ? 0 : outer_ + 1;
    }
    ~AsioSuspension() {
        if (run_ == nullptr) return;
        run_->suspending_ = outer_;
        if (!is_of_new_one_ && run_->owns_) run_->task_.suspend_unknown(*run_);
    }
    AsioSuspension(const AsioSuspension&) = delete;
    AsioSuspension& operator=(const AsioSuspension&) = delete;

  private:
    AsioRun* run_;
    bool is_of_new_one_;
    int outer_ = 0;
};

/// While an operation of Asio completes.
class AsioUpcall {
  public:
    explicit AsioUpcall(bool resumes_coroutine) noexcept : resumes_coroutine_{resumes_coroutine} {}
    ~AsioUpcall() {
        if (!began_) return;
        --asio_thread.upcalls;
        asio_thread.completing = outer_;
    }
    AsioUpcall(const AsioUpcall&) = delete;
    AsioUpcall& operator=(const AsioUpcall&) = delete;

    /// Its handler is about to be called, or given to an executor. (Where a context is destroyed, it is not.)
    void begin(bool aborted) noexcept {
        began_ = true;
        ++asio_thread.upcalls;
        outer_ = asio_thread.completing;
        if (!resumes_coroutine_)
            asio_thread.completing = AsioCompleting::nothing;
        else
            asio_thread.completing = aborted ? AsioCompleting::aborted_coroutine : AsioCompleting::coroutine;
    }

  private:
    bool resumes_coroutine_;
    bool began_ = false;
    AsioCompleting outer_ = AsioCompleting::nothing;
};

}  // namespace tiffany::detail
