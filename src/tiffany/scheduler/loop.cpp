#include "loop.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <span>
#include <tiffany/scheduler/await.hpp>
#include <utility>

#include "engine.hpp"

namespace tiffany::detail {
namespace {

thread_local constinit Loop* loop_here = nullptr;

/// Timers and descriptors are looked at about so often while tasks are ready,
constexpr std::uint64_t kLookEveryNs = 50'000;
/// and after so many runs at the latest, so that runs that grow longer are noticed.
constexpr unsigned kMaxRunsToLook = 16;
/// While there are none. The first one that comes asks for a look.
constexpr unsigned kRunsWithNothingToLookAt = 1u << 16;

}  // namespace

// ---- what coroutines call ----

void keep_error(Chain& chain) noexcept {
    chain.side->error = std::current_exception();
    chain.failed = true;
}

void rethrow_error(Chain& chain) {
    chain.failed = false;
    std::rethrow_exception(std::exchange(chain.side->error, nullptr));
}

TaskHandle handle_of(Chain& chain) noexcept {
    TaskCore& task = task_of(chain);
    hold(task);
    return TaskHandle::held(task);
}

SchedulerBase& scheduler_of(Chain& chain) noexcept {
    return engine_of(task_of(chain)).face();
}

// ----

Loop::Loop(Engine& engine, std::size_t index)
    : engine_{&engine},
      index_{index},
      virtual_{engine.clock().as_virtual() != nullptr},
      many_{engine.is_many()},
      quantum_ns_{engine.quantum_ns()},
      // some less, because the clock's scale is corrected now and then
      surely_short_{quantum_ns_ == 0 ? UINT64_MAX : engine.clock().ticks_in(quantum_ns_ - quantum_ns_ / 16)},
      timers_{engine.store().timers(), engine.clock().monotonic_ns()} {
    yield_is_asked = &yield_;
    if (!many_) take_worker();
}

Loop* Loop::current() noexcept {
    return loop_here;
}

void Loop::take_worker() {
    worker_ = engine_->telemetry().worker();
}

// ---- what is ready ----

void Loop::push_locked(TaskCore& task) noexcept {
    bool is_first = false;
    bool others_may = false;  // take one
    {
        const std::lock_guard guard{queue_mutex_};
        is_first = ready_.empty();
        ready_.push(task);
        movable_ += !task.pinned;
        others_may = movable_ != 0;
    }
    if (loop_here != this) {
        if (!rouse() && others_may) engine_->wake_one();  // this one is busy
    } else if (others_may && (!is_first || (running_ != nullptr && running_ != &task))) {
        engine_->wake_one();  // this thread is busy with another one
    }
}

TaskCore* Loop::pop_locked() noexcept {
    last_end_ = {};  // it may have become ready after the last run
    const std::lock_guard guard{queue_mutex_};
    TaskCore* const task = ready_.pop();
    if (task != nullptr) movable_ -= !task->pinned;
    return task;
}

TaskCore* Loop::give_one() noexcept {
    if (inbox_.any()) adopt_tasks();
    const std::lock_guard guard{queue_mutex_};
    if (movable_ == 0) return nullptr;
    --movable_;
    return ready_.steal();
}

/// Also what other loops have not even looked at.
TaskCore* Loop::steal() noexcept {
    const Guard guard{*engine_};
    for (std::size_t i = 1; i < engine_->loops(); ++i) {
        Loop& other = engine_->loop((index_ + i) % engine_->loops());
        if (TaskCore* const task = other.give_one()) {
            task->side = this;
            return task;
        }
    }
    return nullptr;
}

bool Loop::rouse() noexcept {
    // What came lies there already, and the loop takes this back before it looks. seq_cst, as in Inbox.
    if (!called_.load()) called_.store(true);
    if (!asleep_.load() || !asleep_.exchange(false)) return false;
    engine_->woke_up();
    poller_.interrupt();
    return true;
}

void Loop::adopt_tasks() noexcept {
    for (TaskCore* task = inbox_.take_tasks(); task != nullptr;)
        engine_->adopt(*std::exchange(task, task->next));
}

void Loop::take_inbox() {
    last_end_ = {};
    {
        const Guard guard{*engine_};
        adopt_tasks();
    }
    call_functions();
}

/// Any thread of the scheduler: a loop that has nothing to do calls those of one that is busy.
bool Loop::call_functions() noexcept {
    Inbox::Function* function = inbox_.take_functions();
    const bool any = function != nullptr;
    while (function != nullptr) {
        const std::unique_ptr<Inbox::Function> here{std::exchange(function, function->next)};
        loop_here->called_for_ = here->posted_at;
        here->call();
    }
    loop_here->called_for_ = {};
    return any;
}

bool Loop::help() noexcept {
    for (std::size_t i = 1; i < engine_->loops(); ++i)
        if (engine_->loop((index_ + i) % engine_->loops()).call_functions()) return true;
    return false;
}

/// With the scheduler's lock held: something that it would find if it looked.
bool Loop::has_news() noexcept {
    if (inbox_.any()) return true;
    {
        const std::lock_guard guard{queue_mutex_};
        if (!ready_.empty()) return true;
    }
    return poller_.waiting() != 0 && poller_.has_news();
}

// ---- the loop ----

/// Returns whether it runs.
bool Loop::prepare_run(TaskCore& task) noexcept {
    if (!task.started) {
        if (task.cancel_pending.load(std::memory_order_acquire) != 0) {
            cancel_unstarted(task);  // there is no await yet where it could be thrown
            return false;
        }
        task.started = true;
        if (task.extras() != nullptr) task.extras()->dependencies.drop();  // all have finished, and are in no list
        task.plain = !task.limited;
    }
    if (task.limited && task.extras()->budget.limited()) budget_from_ = engine_->clock().ticks();
    return true;
}

/// Leaves `running_` as it is: whoever calls it sets that to null, after this run or after some.
template <bool kMany>
inline void Loop::run_task(TaskCore& task) noexcept {
    if (worker_->ticks_silently()) {
        run_began_ = last_end_ = {};
        run_in_tick<kMany, true>(task);
        return;
    }
    if (last_end_.known() && worker_->is_dumping()) last_end_ = {};  // the tick is no part of a run
    const LifeHooks::Tick tick{*worker_, task.life};
    run_began_ = last_end_.known() ? last_end_ : worker_->now();
    run_in_tick<kMany, false>(task);
}

/// @tparam kSilent  nobody listens: there is no time
template <bool kMany, bool kSilent>
inline void Loop::run_in_tick(TaskCore& task) noexcept {
    worker_->running(task.life, run_began_);
    if (!task.plain) [[unlikely]] {
        running_ = nullptr;
        if (prepare_run(task)) resume(task);
        return;
    }
    running_ = &task;
    asked = nullptr;
    task.leaf->self().resume();
    // What `end_run` would come to for nearly all yields, by the shortest way. Who asked for it has not ended.
    if (asked != &yield_ || task.cancel_pending.load(std::memory_order_relaxed) != 0) [[unlikely]] {
        if (!end_run(task)) resume(task);
        return;
    }
    Stamp now;
    if constexpr (!kSilent) {
        now = end_of_run();
        if (!is_surely_short(now)) [[unlikely]] {
            if (!end_run(task)) resume(task);
            return;
        }
    }
    worker_->yield(task.life, now);
    push<kMany>(task);
}

/// Runs it until it waits for something, gives way or ends.
void Loop::resume(TaskCore& task) noexcept {
    running_ = &task;
    do {
        asked = nullptr;
        task.leaf->self().resume();
    } while (!end_run(task));
}

/// One of its coroutines returned. Returns whether the run is over.
bool Loop::end_run(TaskCore& task) noexcept {
    if (task.ended) {
        finish(task);
        return true;
    }
    // null: another coroutine of the task goes on; an await need not wait either
    return asked != nullptr && suspend(task, *asked);
}

void Loop::run(Until until, std::uint64_t deadline_ns) {
    struct Here {
        explicit Here(Loop* loop) noexcept : before{std::exchange(loop_here, loop)} {}
        ~Here() { loop_here = before; }
        Loop* before;
    } const here{this};
    called_.store(true);  // what came before, or was left when it was stopped, is looked at
    last_end_ = {};
    look_after(1);
    for (;;) {
        if (called_.load(std::memory_order_relaxed)) [[unlikely]] {
            called_.exchange(false);
            if (engine_->take_stop()) return;
            if (inbox_.any()) take_inbox();
            if (engine_->is_closed()) return;  // a function that was posted may do that
        }
        if (runs_to_look_ == 0) {
            look();
            if (deadline_ns != Operation::kNever) {
                if (engine_->now_ns() >= deadline_ns) return;
                look_after(1);
            }
        }
        TaskCore* task = ready_.pop();
        if (task == nullptr) {
            if (!find_work(until, deadline_ns)) return;
            continue;
        }
        do {
            run_task<false>(*task);
        } while (--runs_to_look_ != 0 && !called_.load(std::memory_order_relaxed) && (task = ready_.pop()) != nullptr);
        running_ = nullptr;
    }
}

void Loop::serve() {
    loop_here = this;
    for (;;) {
        if (called_.load(std::memory_order_relaxed)) [[unlikely]] {
            called_.exchange(false);
            if (retired_.load()) break;
            if (inbox_.any()) take_inbox();
        }
        if (runs_to_look_ == 0) look();
        TaskCore* task = pop_locked();
        if (task == nullptr) {
            look();
            task = pop_locked();
        }
        if (task == nullptr) {
            last_end_ = {};
            task = steal();
        }
        if (task == nullptr) {
            if (help()) continue;
            park(Operation::kNever);
            continue;
        }
        run_task<true>(*task);
        running_ = nullptr;
        --runs_to_look_;
    }
    loop_here = nullptr;
    give_worker_back();
}

void Loop::retire() noexcept {
    // seq_cst: rouse() leaves called_ alone if it is set, and the loop, which takes it back, then has to see this
    retired_.store(true);
    rouse();
    poller_.interrupt();
}

/// The next look is after so many runs, however long they are.
void Loop::look_after(unsigned runs) noexcept {
    runs_to_look_ = runs;
    looked_at_ = 0;
}

/// How many runs may pass until the next look follows from how long the last ones were.
void Loop::plan_look() noexcept {
    const std::uint64_t now = engine_->clock().ticks();
    const std::uint64_t runs = runs_planned_ - runs_to_look_;
    const std::uint64_t began = std::exchange(looked_at_, now);
    runs_to_look_ = 1;
    if (began != 0 && runs != 0 && !virtual_) {
        const std::uint64_t run_ns = engine_->clock().to_ns(now - began) / runs;
        runs_to_look_ =
            static_cast<unsigned>(std::clamp<std::uint64_t>(kLookEveryNs / (run_ns + 1), 1, kMaxRunsToLook));
    }
    runs_planned_ = runs_to_look_;
}

/// Timers and descriptors.
void Loop::look() {
    bool descriptors = false;
    {
        const Guard guard{*engine_};
        descriptors = poller_.waiting() != 0;
        if (!descriptors && timers_.empty()) {  // then no clock is read; the first one that comes asks for a look
            look_after(kRunsWithNothingToLookAt);
            return;
        }
    }
    last_end_ = {};
    plan_look();
    const bool found = descriptors && poller_.block(0);
    const Guard guard{*engine_};
    if (found) report_descriptors();
    if (!timers_.empty()) expire_timers(engine_->now_ns());
}

void Loop::expire_timers(std::uint64_t now_ns) {
    struct Tasks {
        Engine& engine;
        const TaskStore& store;
        std::uint64_t now_ns;
        Stamp now;

        // In short loops, because a fetch waits for the page tables: so many of them wait at the same time. Inlined at
        // any rate: g++ 12 drops calls of a function that only prefetches, as if it did nothing.
        [[gnu::always_inline]] void fetch(std::span<const std::uint32_t> places) const noexcept {
            std::array<const TaskCore*, TimerWheel::kMostFetched> tasks{};
            std::size_t count = 0;
            for (const std::uint32_t place : places) {
                const TaskCore& task = store.at(place);
                __builtin_prefetch(&task.life);
                __builtin_prefetch(&task.leaf);
                tasks[count++] = &task;
            }
            for (std::size_t i = 0; i < count; ++i) {  // the coroutine, with what it awaits
                __builtin_prefetch(reinterpret_cast<const std::byte*>(tasks[i]->leaf) - 16);
                __builtin_prefetch(tasks[i]->waiting);
                __builtin_prefetch(tasks[i]->waiting + 1);
            }
        }
        void expired(std::uint32_t place, std::uint64_t deadline_ns) const noexcept {
            TaskCore& task = store.at(place);
            Operation& operation = *task.waiting;
            operation.timed = false;
            const bool quota = operation.waits_for == WaitsFor::quota;
            operation.timed_out =
                !quota && operation.waits_for != WaitsFor::sleep_for && operation.waits_for != WaitsFor::sleep_until;
            engine.make_ready(task, quota ? WakeCause::quota : WakeCause::timer, 0, now_ns - deadline_ns, now);
        }
    };
    timers_.expire(now_ns, Tasks{*engine_, engine_->store(), now_ns, worker_->now()});
}

/// Nothing is ready. Returns whether the loop goes on.
bool Loop::find_work(Until until, std::uint64_t deadline_ns) {
    look();
    if (!ready_.empty() || inbox_.any()) return true;
    if (engine_->live() == 0 || until == Until::nothing_is_ready) return false;
    if (deadline_ns != Operation::kNever && engine_->now_ns() >= deadline_ns) return false;
    // descriptors that are ready were found just now
    if (virtual_ && (!timers_.empty() || poller_.waiting() == 0 || deadline_ns != Operation::kNever)) {
        if (timers_.empty() && deadline_ns == Operation::kNever) return false;
        const std::uint64_t next_ns = timers_.empty() ? deadline_ns : std::min(deadline_ns, timers_.next_ns());
        const std::uint64_t now = engine_->now_ns();
        if (next_ns > now) engine_->clock().as_virtual()->advance(next_ns - now);
        return true;
    }
    park(deadline_ns);
    return true;
}

void Loop::park(std::uint64_t deadline_ns) {
    asleep_.store(true);
    engine_->fell_asleep();
    std::uint64_t timeout_ns = Operation::kNever;
    bool stay_awake = called_.load();
    {
        const Guard guard{*engine_};
        for (std::size_t i = 0; engine_->is_many() && i < engine_->loops() && !stay_awake; ++i)
            stay_awake = engine_->loop(i).has_work_for(*this);
        if (!stay_awake && virtual_) stay_awake = engine_->advance_clock(*this);
        const std::uint64_t until_ns = std::min(deadline_ns, timers_.empty() ? Operation::kNever : timers_.next_ns());
        if (until_ns != Operation::kNever && !virtual_) {
            const std::uint64_t now = engine_->now_ns();
            timeout_ns = std::min(timeout_ns, until_ns > now ? until_ns - now : 0);
        }
    }
    bool found = false;
    if (!stay_awake && timeout_ns != 0) {
        worker_->park();
        found = poller_.block(std::min(timeout_ns, worker_->longest_park_ns()));
        worker_->unpark();
    }
    if (asleep_.exchange(false)) engine_->woke_up();
    look_after(0);
    if (!found) return;
    const Guard guard{*engine_};
    report_descriptors();
}

void Loop::report_descriptors() {
    poller_.report(
        [this](IoOperation& operation) { engine_->make_ready(task_of(*operation.chain), WakeCause::io, 0); });
}

bool Loop::has_work_for(const Loop& other) noexcept {
    if (inbox_.any()) return true;
    const std::lock_guard guard{queue_mutex_};
    return this == &other ? !ready_.empty() : movable_ != 0;
}

}  // namespace tiffany::detail

#if TIFFANY_TELEMETRY
namespace tiffany {

void note(std::string_view key, std::string_view value) noexcept {
    detail::Loop* const loop = detail::Loop::current();
    if (loop != nullptr && loop->running() != nullptr) loop->hooks().note(loop->running()->life, key, value);
}

}  // namespace tiffany
#endif
