#pragma once
/// oneTBB's tasks as tasks: each has a name, a site, a parent, runs, joins and an end.
///
///     tiffany::tbb::Telemetry telemetry{"sort"};     // outlives all that is made with it
///     tiffany::tbb::task_group group{telemetry};
///     group.run({.name = "left"}, [&] { sort(left); });
///     group.run({.name = "right"}, [&] { sort(right); });
///     group.wait();                                  // in a task: Join, then Ready (join) and Running
///
/// The classes are named and behave as TBB's own; each function that takes a functor takes a TaskInfo before it. What
/// TBB runs on a thread while a task waits there is told as runs on that worker. Where a task waits in something that
/// is TBB's alone, as a parallel_for, and TBB runs another task there, the first one yields to it. What such algorithms
/// run are no tasks.
///
/// An exception that leaves a functor ends its task as Failed. A task whose group is cancelled before it runs ends as
/// Cancelled (asked, by the task that asked, or whose exception did it), one whose handle is dropped as Cancelled
/// (destroyed).

#include <tiffany/adapters/task_info.hpp>
#include <tiffany/telemetry/hooks.hpp>

#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>
#include <oneapi/tbb/task_scheduler_observer.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>

#if TIFFANY_TELEMETRY
#include <tiffany/adapters/detail/tbb_task.hpp>
#endif

namespace tiffany::tbb {
using tiffany::TaskInfo;
}

#if TIFFANY_TELEMETRY

namespace tiffany::detail {

/// Gives workers to the threads of TBB that are in an arena.
class TbbObserver final : public ::tbb::task_scheduler_observer {
  public:
    /// The calling thread's arena.
    TbbObserver(SchedulerTelemetry& telemetry, std::shared_ptr<const int> alive)
        : telemetry_{telemetry}, alive_{std::move(alive)} {
        begin();
    }
    TbbObserver(SchedulerTelemetry& telemetry, std::shared_ptr<const int> alive, ::tbb::task_arena& arena)
        : ::tbb::task_scheduler_observer{arena}, telemetry_{telemetry}, alive_{std::move(alive)} {
        begin();
    }
    ~TbbObserver() override { observe(false); }

    void on_scheduler_entry(bool is_worker) override {
        if (is_worker && is_made_.load(std::memory_order_acquire)) tbb_enter(telemetry_, alive_);
    }
    void on_scheduler_exit(bool is_worker) override {
        if (is_worker) tbb_leave(telemetry_);
    }

  private:
    void begin() {
        is_made_.store(true, std::memory_order_release);  // as TbbTask::is_spawned_
        observe(true);
    }

    SchedulerTelemetry& telemetry_;
    std::shared_ptr<const int> alive_;
    std::atomic<bool> is_made_{false};
};

/// A group's state and where it is cancelled. A base before TBB's group, whose destructor may wait for tasks.
struct TbbGroup {
    TbbGroupState state = {};
    ::tbb::task_group_context* context = nullptr;
};

/// A functor as TBB gets it. What a program makes is a seed; TBB moves it into its own task, once, before it gives that
/// to its threads: there the task begins its life, because its TaskTimes cannot move.
template <typename Function>
class TbbWork {
  public:
    TbbWork(SchedulerTelemetry& telemetry, TbbGroup& group, const SpawnInfo& info, Function function)
        : group_{&group},
          info_{info},
          function_{std::move(function)},
          telemetry_{telemetry},
          task_{telemetry, group.state} {}
    TbbWork(TbbWork&& seed) noexcept(std::is_nothrow_move_constructible_v<Function>)
        : TbbWork{seed.telemetry_, *seed.group_, seed.info_, std::move(seed.function_)} {
        task_.spawn(info_);
    }
    TbbWork& operator=(TbbWork&&) = delete;
    ~TbbWork() {
        if (task_.is_alive()) task_.drop(group_->context != nullptr && group_->context->is_group_execution_cancelled());
    }

    // const: TBB calls it so
    void operator()() const { tbb_run(task_, function_); }

  private:
    TbbGroup* group_;
    SpawnInfo info_;
    Function function_;
    SchedulerTelemetry& telemetry_;
    mutable TbbTask task_;
};

/// Drops its task, which is on the stack.
class TbbStackTask {
  public:
    TbbStackTask(SchedulerTelemetry& telemetry, TbbGroupState& group, const SpawnInfo& info,
                 ::tbb::task_group_context* context = nullptr) noexcept
        : context_{context}, task_{telemetry, group} {
        task_.spawn(info);
    }
    TbbStackTask(const TbbStackTask&) = delete;
    TbbStackTask& operator=(const TbbStackTask&) = delete;
    ~TbbStackTask() {
        if (task_.is_alive()) task_.drop(context_ != nullptr && context_->is_group_execution_cancelled());
    }

    TbbTask& task() noexcept { return task_; }

  private:
    ::tbb::task_group_context* context_;
    TbbTask task_;
};

}  // namespace tiffany::detail

namespace tiffany::tbb {

/// A SchedulerTelemetry that also gives workers to TBB's threads while they are in the arena of the thread that makes
/// it. Thread-safe, as SchedulerTelemetry.
class Telemetry final : public SchedulerTelemetry {
  public:
    /// As SchedulerTelemetry. Makes the thread's arena, if it has none. Errors: the same, and those of TBB.
    explicit Telemetry(std::string_view name, const TelemetryOptions& options = {})
        : SchedulerTelemetry{name, options} {}
    /// Groups have been waited for. Waits until what was enqueued has ended.
    ~Telemetry() { enqueued_.state.outlast(); }

  private:
    friend class task_arena;

    tiffany::detail::TbbGroup enqueued_;
    std::shared_ptr<const int> alive_ = std::make_shared<const int>(0);
    tiffany::detail::TbbObserver observer_{*this, alive_};
};

/// As ::tbb::task_group. Any thread runs tasks in it, several may wait.
class task_group : private tiffany::detail::TbbGroup, private ::tbb::task_group {
    using Base = ::tbb::task_group;

  public:
    /// @param telemetry  outlives it
    explicit task_group(Telemetry& telemetry) : telemetry_{telemetry} {
        this->tiffany::detail::TbbGroup::context = &Base::context();
    }
    /// In a context of the program's.
    task_group(Telemetry& telemetry, ::tbb::task_group_context& given) : Base{given}, telemetry_{telemetry} {
        this->tiffany::detail::TbbGroup::context = &given;
    }

    /// Spawns a task. Any thread. Cost: the hook, and an allocation of TBB's for the functor, larger by
    /// the task's times and by what is told of it. Errors: std::bad_alloc; what moving the functor throws.
    template <typename Function>
    void run(const TaskInfo& info, Function&& function, Site site = Site::here()) {
        Base::run(work(info, std::forward<Function>(function), site));
    }
    /// What `defer` made.
    void run(::tbb::task_handle&& handle) { Base::run(std::move(handle)); }

    /// Makes a task, which is Ready from here on, for `run` or `task_arena::enqueue`. As `run`.
    template <typename Function>
    [[nodiscard]] ::tbb::task_handle defer(const TaskInfo& info, Function&& function, Site site = Site::here()) {
        return Base::defer(work(info, std::forward<Function>(function), site));
    }

    /// Runs a task here, and waits as `wait`.
    template <typename Function>
    ::tbb::task_group_status run_and_wait(const TaskInfo& info, const Function& function, Site site = Site::here()) {
        const Waiting waiting{*this};
        tiffany::detail::TbbStackTask task{telemetry_, state, info.at(site), this->tiffany::detail::TbbGroup::context};
        waiting.begin();
        return Base::run_and_wait([&] { tiffany::detail::tbb_run(task.task(), function); });
    }

    /// The same with what `defer` made.
    ::tbb::task_group_status run_and_wait(::tbb::task_handle&& handle) {
        Base::run(std::move(handle));  // TBB's function that does both came after 2021.5
        return wait();
    }

    /// Waits until all have ended. In a task that is Join (target: the one that was spawned last), and Ready (join, by
    /// the one that ended last, at its end); nothing if all have ended. Errors: what a task threw first.
    ::tbb::task_group_status wait() {
        const Waiting waiting{*this};
        waiting.begin();
        return Base::wait();
    }

    /// Asks all of them to end: those that have not begun are Cancelled when TBB comes to them. Any thread.
    void cancel() {
        state.cancelled_here();
        Base::cancel();
    }

  private:
    /// A wait, and what is to be forgotten at its end.
    class Waiting {
      public:
        explicit Waiting(task_group& group) noexcept : group_{group}, join_{group.telemetry_, group.state} {}
        ~Waiting() { group_.state.forget_canceller(); }
        Waiting(const Waiting&) = delete;
        Waiting& operator=(const Waiting&) = delete;
        void begin() const noexcept { join_.begin(); }

      private:
        task_group& group_;
        mutable tiffany::detail::TbbJoin join_;
    };

    template <typename Function>
    auto work(const TaskInfo& info, Function&& function, Site site) {
        return tiffany::detail::TbbWork<std::decay_t<Function> >{telemetry_, *this, info.at(site),
                                                                 std::forward<Function>(function)};
    }

    Telemetry& telemetry_;
};

/// As ::tbb::task_arena, whose threads of TBB have workers of the telemetry. Thread-safe.
class task_arena {
  public:
    /// @param telemetry    outlives it
    /// @param concurrency  threads; @param reserved  of these, for threads that call `execute`
    explicit task_arena(Telemetry& telemetry, int concurrency = ::tbb::task_arena::automatic, unsigned reserved = 1)
        : task_arena{telemetry, ::tbb::task_arena{concurrency, reserved}} {}
    /// @param settings  of the new arena: concurrency, reserved threads, priority, constraints
    task_arena(Telemetry& telemetry, const ::tbb::task_arena& settings)
        : telemetry_{telemetry}, arena_{settings}, observer_{telemetry, telemetry.alive_, arena_} {}
    task_arena(const task_arena&) = delete;
    task_arena& operator=(const task_arena&) = delete;

    /// Runs a task in the arena, on this thread if there is room, and returns what the function does. In a task that is
    /// Join, then Ready (join). Errors: what the function throws.
    template <typename Function>
    auto execute(const TaskInfo& info, Function&& function, Site site = Site::here()) -> decltype(function()) {
        tiffany::detail::TbbGroupState only;
        tiffany::detail::TbbJoin join{telemetry_, only};
        tiffany::detail::TbbStackTask task{telemetry_, only, info.at(site)};
        join.begin();
        return arena_.execute(
            [&]() -> decltype(function()) { return tiffany::detail::tbb_run(task.task(), function); });
    }

    /// Spawns a task in the arena. Nobody waits for it, and an exception may not leave it. Errors: std::bad_alloc.
    template <typename Function>
    void enqueue(const TaskInfo& info, Function&& function, Site site = Site::here()) {
        arena_.enqueue(tiffany::detail::TbbWork<std::decay_t<Function> >{
            telemetry_, telemetry_.enqueued_, info.at(site), std::forward<Function>(function)});
    }
    /// What `task_group::defer` made.
    void enqueue(::tbb::task_handle&& handle) { arena_.enqueue(std::move(handle)); }

    /// TBB's own arena, for what is not told.
    ::tbb::task_arena& arena() noexcept { return arena_; }

  private:
    Telemetry& telemetry_;
    ::tbb::task_arena arena_;
    tiffany::detail::TbbObserver observer_;
};

/// As std::this_thread::yield, told as Yield of the task that runs here: for loops that wait for another thread. Any
/// thread.
inline void yield() noexcept {
    tiffany::detail::tbb_yield();
}

}  // namespace tiffany::tbb

#else

namespace tiffany::tbb {

using Telemetry = SchedulerTelemetry;

class task_group : private ::tbb::task_group {
    using Base = ::tbb::task_group;

  public:
    explicit task_group(Telemetry&) {}
    task_group(Telemetry&, ::tbb::task_group_context& context) : Base{context} {}

    template <typename Function>
    void run(const TaskInfo&, Function&& function, Site = {}) {
        Base::run(std::forward<Function>(function));
    }
    void run(::tbb::task_handle&& handle) { Base::run(std::move(handle)); }
    template <typename Function>
    [[nodiscard]] ::tbb::task_handle defer(const TaskInfo&, Function&& function, Site = {}) {
        return Base::defer(std::forward<Function>(function));
    }
    template <typename Function>
    ::tbb::task_group_status run_and_wait(const TaskInfo&, const Function& function, Site = {}) {
        return Base::run_and_wait(function);
    }
    ::tbb::task_group_status run_and_wait(::tbb::task_handle&& handle) {
        Base::run(std::move(handle));
        return Base::wait();
    }
    using Base::cancel;
    using Base::wait;
};

class task_arena {
  public:
    explicit task_arena(Telemetry&, int concurrency = ::tbb::task_arena::automatic, unsigned reserved = 1)
        : arena_{concurrency, reserved} {}
    task_arena(Telemetry&, const ::tbb::task_arena& settings) : arena_{settings} {}
    task_arena(const task_arena&) = delete;
    task_arena& operator=(const task_arena&) = delete;

    template <typename Function>
    auto execute(const TaskInfo&, Function&& function, Site = {}) -> decltype(function()) {
        return arena_.execute(function);
    }
    template <typename Function>
    void enqueue(const TaskInfo&, Function&& function, Site = {}) {
        arena_.enqueue(std::forward<Function>(function));
    }
    void enqueue(::tbb::task_handle&& handle) { arena_.enqueue(std::move(handle)); }
    ::tbb::task_arena& arena() noexcept { return arena_; }

  private:
    ::tbb::task_arena arena_;
};

inline void yield() noexcept {
    std::this_thread::yield();
}

}  // namespace tiffany::tbb

#endif
