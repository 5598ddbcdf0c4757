#include "loop.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "engine.hpp"

namespace tiffany::detail {
namespace {

thread_local constinit Loop* loop_here = nullptr;

/// Timers and descriptors are looked at about so often while tasks are ready,
constexpr std::uint64_t kLookEveryNs = 50'000;
/// and after so many runs at the latest, so that runs that grow longer are noticed.
constexpr unsigned kMaxRunsToLook = 16;
/// A worker that blocks is seen at least so often.
constexpr std::uint64_t kLongestPark = 1'000'000'000;

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

Loop::QueueGuard::QueueGuard(Loop& which) noexcept : loop{which} {
    if (loop.engine_->is_many()) loop.queue_mutex_.lock();
}
Loop::QueueGuard::~QueueGuard() {
    if (loop.engine_->is_many()) loop.queue_mutex_.unlock();
}

Loop::Loop(Engine& engine, std::size_t index)
    : engine_{&engine},
      index_{index},
      virtual_{engine.clock().as_virtual() != nullptr},
      timers_{engine.clock().monotonic_ns()} {
    if (!engine.is_many()) take_worker();
}

Loop* Loop::current() noexcept {
    return loop_here;
}

void Loop::take_worker() {
    worker_ = engine_->telemetry().worker();
}

// ---- what is ready ----

void Loop::push(TaskCore& task) noexcept {
    std::size_t waiting = 0;
    {
        const QueueGuard guard{*this};
        ready_.push(task);
        waiting = ready_.size();
    }
    if (!engine_->is_many()) return;
    if (loop_here != this) {
        if (rouse()) return;
        engine_->wake_one();  // this one is busy
    } else if (waiting > 1) {
        engine_->wake_one();
    }
}

TaskCore* Loop::next_task() noexcept {
    const QueueGuard guard{*this};
    return ready_.pop();
}

TaskCore* Loop::give_one() noexcept {
    if (inbox_.any()) adopt_tasks();
    const QueueGuard guard{*this};
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
    for (Inbox::Function* function = inbox_.take_functions(); function != nullptr;) {
        const std::unique_ptr<Inbox::Function> here{std::exchange(function, function->next)};
        here->call();
    }
}

// ---- the loop ----

void Loop::run(Until until, std::uint64_t deadline_ns) {
    struct Here {
        explicit Here(Loop* loop) noexcept : before{std::exchange(loop_here, loop)} {}
        ~Here() { loop_here = before; }
        Loop* before;
    } const here{this};
    last_end_ = {};
    runs_to_look_ = 1;
    while (!engine_->is_closed()) {
        if (engine_->take_stop()) return;
        if (inbox_.any()) take_inbox();
        if (runs_since_look_ >= runs_to_look_) {
            look();
            if (deadline_ns != Operation::kNever && engine_->now_ns() >= deadline_ns) return;
        }
        if (TaskCore* const task = next_task()) {
            run_task(*task);
            ++runs_since_look_;
        } else if (!find_work(until, deadline_ns)) {
            return;
        }
    }
}

void Loop::serve() {
    take_worker();
    loop_here = this;
    while (!retired_.load(std::memory_order_acquire)) {
        if (inbox_.any()) take_inbox();
        if (runs_since_look_ >= runs_to_look_) look();
        TaskCore* task = next_task();
        if (task == nullptr) {
            look();
            task = next_task();
        }
        if (task == nullptr) {
            last_end_ = {};
            task = steal();
        }
        if (task == nullptr) {
            park(Operation::kNever);
            continue;
        }
        run_task(*task);
        ++runs_since_look_;
    }
    loop_here = nullptr;
    give_worker_back();
}

void Loop::retire() noexcept {
    retired_.store(true, std::memory_order_release);
    rouse();
    poller_.interrupt();
}

/// Timers and descriptors. How many runs may pass until the next look follows from how long they were.
void Loop::look() {
    last_end_ = {};
    const std::uint64_t now = engine_->clock().ticks();
    const std::uint64_t runs = std::exchange(runs_since_look_, 0);
    const std::uint64_t run_ns = runs == 0 ? 0 : engine_->clock().to_ns(now - looked_at_) / runs;
    looked_at_ = now;
    runs_to_look_ = virtual_ ? 1 : static_cast<unsigned>(std::clamp<std::uint64_t>(kLookEveryNs / (run_ns + 1), 1, kMaxRunsToLook));
    bool descriptors = false;
    {
        const Guard guard{*engine_};
        descriptors = poller_.waiting() != 0;
        if (!descriptors && timers_.empty()) return;
    }
    const bool found = descriptors && poller_.block(0);
    const Guard guard{*engine_};
    if (found)
        poller_.report([this](IoOperation& operation) {
            engine_->make_ready(task_of(*operation.chain), WakeCause::io, 0);
        });
    if (!timers_.empty()) expire_timers(engine_->now_ns());
}

void Loop::expire_timers(std::uint64_t now_ns) {
    const Stamp now = worker_->now();
    timers_.expire(now_ns, [&](Operation& operation) {
        const std::uint64_t late_ns = now_ns - operation.time_ns;
        const bool quota = operation.waits_for == WaitsFor::quota;
        operation.timed_out =
            !quota && operation.waits_for != WaitsFor::sleep_for && operation.waits_for != WaitsFor::sleep_until;
        engine_->make_ready(task_of(*operation.chain), quota ? WakeCause::quota : WakeCause::timer, 0, late_ns, now);
    });
}

/// Nothing is ready. Returns whether the loop goes on.
bool Loop::find_work(Until until, std::uint64_t deadline_ns) {
    look();
    if (!ready_.empty() || inbox_.any()) return true;
    if (engine_->live() == 0 || until == Until::nothing_is_ready) return false;
    if (deadline_ns != Operation::kNever && engine_->now_ns() >= deadline_ns) return false;
    // who said how long has to get his time, also while somebody waits for a descriptor
    if (virtual_ && (poller_.waiting() == 0 || deadline_ns != Operation::kNever)) {
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
    std::uint64_t timeout_ns = kLongestPark;
    bool stay_awake = inbox_.any() || retired_.load(std::memory_order_relaxed);
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
        found = poller_.block(timeout_ns);
        worker_->unpark();
    }
    if (asleep_.exchange(false)) engine_->woke_up();
    runs_since_look_ = runs_to_look_;
    if (!found) return;
    const Guard guard{*engine_};
    poller_.report(
        [this](IoOperation& operation) { engine_->make_ready(task_of(*operation.chain), WakeCause::io, 0); });
}

bool Loop::has_work_for(const Loop& other) noexcept {
    if (inbox_.any()) return true;
    const QueueGuard guard{*this};
    return this == &other ? !ready_.empty() : ready_.may_give();
}

// ---- one run ----

void Loop::run_task(TaskCore& task) noexcept {
    const LifeHooks::Tick tick{*worker_, task.life};
    run_began_ = last_end_.known() ? last_end_ : worker_->now();
    worker_->running(task.life, run_began_);
    if (!task.started && task.cancel_pending.load(std::memory_order_acquire) != 0) {
        cancel_unstarted(task);  // there is no await yet where it could be thrown
        return;
    }
    task.started = true;
    if (task.has_own) budget_from_ = engine_->clock().ticks();
    running_ = &task;
    for (;;) {
        asked = nullptr;
        task.leaf->self().resume();
        if (task.ended) {
            finish(task);
            break;
        }
        if (asked != nullptr && suspend(task, *asked)) break;
        // else another coroutine of the task goes on, or the await need not wait
    }
    running_ = nullptr;
}

void Loop::finish(TaskCore& task) noexcept {
    std::exception_ptr failure;
    if (task.failed) failure = std::exchange(error, nullptr);
    Result result{nullptr, [](void*) {}};
    const bool wanted = task.has_own && task.extras->keep_result != nullptr &&
                        task.holds.load(std::memory_order_relaxed) > 1;
    if (!failure && wanted) {
        try {
            result = task.extras->keep_result(*task.leaf);
        } catch (...) {
            failure = std::current_exception();
        }
    }
    std::exchange(task.leaf, nullptr)->self().destroy();  // what its parameters' destructors do is a part of the run
    running_ = nullptr;
    const Stamp now = end_of_run();
    const Guard guard{*engine_};
    if (result) task.extras->result = std::move(result);
    if (failure) {
        end_with(task, failure, now);
    } else {
        worker_->done(task.life, now);
    }
    engine_->tell_end(task, now);
}

void Loop::end_with(TaskCore& task, const std::exception_ptr& failure, Stamp at) noexcept {
    std::string message;
    try {
        std::rethrow_exception(failure);
    } catch (const TaskCancelled& cancelled) {
        if (task.cancel_delivered && cancelled.tid() == task.life.tid()) {
            worker_->cancelled(task.life, cancelled.cause(), cancelled.canceller(), at);
            return;
        }
        message = cancelled.what();  // somebody threw it on his own account
    } catch (const std::exception& exception) {
        message = exception.what();
    } catch (...) {
        message = "an exception that is no std::exception";
    }
    worker_->failed(task.life, message, at);
    TaskExtras& extras = task.with_extras();
    extras.error = failure;
    extras.message = std::move(message);
}

void Loop::cancel_unstarted(TaskCore& task) noexcept {
    Frame::destroy_from(std::exchange(task.leaf, nullptr));
    const Stamp now = end_of_run();
    const Guard guard{*engine_};
    const auto cause = static_cast<CancelCause>(task.cancel_pending.load(std::memory_order_relaxed) - 1);
    worker_->cancelled(task.life, cause, task.canceller, now);
    engine_->tell_end(task, now);
}

}  // namespace tiffany::detail
