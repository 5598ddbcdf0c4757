#include <tiffany/adapters/asio_telemetry.hpp>

namespace tiffany::detail {
namespace {

enum class Completing : std::uint8_t { nothing, coroutine, aborted_coroutine };

/// What the adapter knows of a thread.
struct Thread {
    AsioRun* run = nullptr;  // the innermost
    Completing completing = Completing::nothing;
    std::uint32_t upcalls = 0;
    AsioLoop* loop = nullptr;
};

thread_local constinit Thread t_thread;

/// The loop that a worker of this thread has, if any.
AsioLoop* loop_of(const Worker& worker) noexcept {
    return t_thread.loop != nullptr && t_thread.loop->is_of(worker) ? t_thread.loop : nullptr;
}

}  // namespace

// ---- the task ----

void AsioTask::destroy(AsioTask* task) noexcept {
    delete task;
}

Worker& AsioTask::worker() const noexcept {
    Worker& worker = telemetry_->here();
    if (AsioLoop* const loop = loop_of(worker); loop != nullptr) loop->unpark();
    return worker;
}

AsioTaskRef AsioTask::spawn(asio::Telemetry& telemetry, SpawnInfo info) {
    AsioTaskRef task{new AsioTask{telemetry}};
    if (t_thread.run != nullptr) info.parent = t_thread.run->task_.tid();
    task->worker().spawned(task->times_, info);
    try {
        telemetry.add(*task);
    } catch (...) {
        task->end_destroyed();
        throw;
    }
    return task;
}

// acquire: with it comes what the last one that had the task wrote
bool AsioTask::claim(State from, State to) noexcept {
    auto expected = static_cast<std::uint8_t>(from);
    return state_.compare_exchange_strong(expected, static_cast<std::uint8_t>(to), std::memory_order_acq_rel,
                                          std::memory_order_acquire);
}

/// Lets go of the task: from here on any thread may claim it. Only for who has it.
void AsioTask::publish(State from, State to) noexcept {
    if (claim(from, to)) return;
    if (state_.load(std::memory_order_acquire) == static_cast<std::uint8_t>(State::ended)) return;  // see abandon()
    finish_for_other(worker());  // it ended elsewhere, on a thread that could not tell
}

void AsioTask::tell_ready(Worker& worker, const AsioWake& wake) noexcept {
    std::uint64_t late_ns = 0;
    const Stamp at = wake.at.known() ? wake.at : worker.now();
    if (wake.cause == WakeCause::timer && number_ != 0) {
        const std::uint64_t slept_ns = worker.ns_between(suspended_at_, at);
        if (slept_ns > number_) late_ns = slept_ns - number_;
    }
    worker.ready(times_, wake.cause, wake.waker, late_ns, at);
}

AsioWake AsioTask::wake() noexcept {
    Thread& thread = t_thread;
    // the first function that an operation's completion gives to an executor is its handler; what that runs is not
    const Completing completing = std::exchange(thread.completing, Completing::nothing);
    AsioRun* const run = thread.run;
    const auto state = static_cast<State>(state_.load(std::memory_order_acquire));
    AsioWake wake;
    switch (state) {
        case State::running:
            if (run != nullptr && &run->task_ == this && run->owns_) {
                if (run->suspending_ == 0) return wake;
                // it suspends by giving its own executor what resumes it
                run->owns_ = false;
                worker().yield(times_);
                publish(State::running, State::claimed);
                wake.kind = AsioWake::Kind::claimed;
                return wake;
            }
            break;
        case State::ready:
            if (claim(State::ready, State::claimed)) wake.kind = AsioWake::Kind::claimed;
            return wake;
        case State::typed:
        case State::untyped:
            break;
        default:
            return wake;
    }

    if (run != nullptr) {
        wake.waker = run->task_.tid();
        wake.cause = WakeCause::event;
    }
    if (state == State::running) {  // elsewhere, or what it suspends for is not told yet
        wake.kind = AsioWake::Kind::late;
        return wake;
    }
    if (completing == Completing::nothing) {
        if (state == State::typed) return wake;  // the operation that it waits for is still to complete
        // Not in a handler: it may be that a context is being destroyed, and that nobody will call the function.
        if (run == nullptr && thread.upcalls == 0) {
            wake.kind = AsioWake::Kind::late;
            wake.at = worker().now();
            return wake;
        }
    }
    if (!claim(state, State::claimed)) return wake;
    if (completing != Completing::nothing) {
        wake.waker = 0;
        switch (waits_for_) {
            case AsioWait::timer:
                wake.cause = WakeCause::timer;
                break;
            case AsioWait::io:
                wake.cause = WakeCause::io;
                break;
            default:
                wake.cause = WakeCause::external;
        }
        if (completing == Completing::aborted_coroutine) wake.cause = WakeCause::cancel;
    } else if (waits_for_ == AsioWait::join && (run == nullptr || wake.waker == number_)) {
        wake.cause = WakeCause::join;
        wake.waker = number_;
    }
    wake.kind = AsioWake::Kind::claimed;
    Worker& its_worker = worker();
    wake.at = its_worker.now();
    tell_ready(its_worker, wake);
    return wake;
}

void AsioTask::drop_claim() noexcept {
    publish(State::claimed, State::ready);
}

void AsioTask::joined_here() noexcept {
    if (!asio_may_suspend() || t_thread.run->suspending_ == 0) return;
    AsioRun& run = *t_thread.run;
    run.task_.suspend(run, AsioWait::join, tid());
}

void AsioTask::suspend(AsioRun& run, AsioWait what, std::uint64_t number) noexcept {
    run.owns_ = false;
    Worker& its_worker = worker();
    const Stamp now = its_worker.now();
    waits_for_ = what;
    number_ = number;
    suspended_at_ = now;
    switch (what) {
        case AsioWait::timer:
            its_worker.sleep(times_, number, now);
            break;
        case AsioWait::io:
            its_worker.iowait(times_, number, now);
            break;
        case AsioWait::join:
            its_worker.join(times_, number, now);
            break;
        case AsioWait::other:
            its_worker.wait(times_, WaitReason::other, 0, now);
            break;
    }
    publish(State::running, what == AsioWait::join ? State::untyped : State::typed);
}

/// No hook has told what it waits for.
///
/// The thing that it waits for may be faster than this: another thread may have resumed the coroutine, which suspends
/// again, and ends, while this thread has yet to come here. That is harmless, because the state is `running` until the
/// exchange in publish(): on the other thread wake() finds it and gives a function that claims nothing unless the
/// state is `untyped` when it is called. If it is not, that run is not told: its suspensions find no run that owns the
/// task, and the next wake after this wait is told as its end. If the coroutine ended in it, end() has put kEnds beside
/// the state, which publish() finds. So each hook is called by one thread at a time, and the sequence is legal; what is
/// lost is one run, as short as a resumption that overtakes its own initiation.
void AsioTask::suspend_unknown(AsioRun& run) noexcept {
    run.owns_ = false;
    Worker& its_worker = worker();
    if ((state_.load(std::memory_order_acquire) & kEnds) != 0) {
        finish_for_other(its_worker);
        return;
    }
    waits_for_ = AsioWait::other;
    number_ = 0;
    its_worker.wait(times_, WaitReason::other, 0);
    publish(State::running, State::untyped);
}

// ---- its end ----

void AsioTask::end_failed(std::string_view error) noexcept {
    try {
        error_ = error;
    } catch (const std::exception&) {
        error_.clear();  // no memory for it
    }
    end(End::failed);
}

void AsioTask::end(End how) noexcept {
    AsioRun* const run = t_thread.run;
    if (run != nullptr && &run->task_ == this && run->owns_) {
        run->owns_ = false;
        tell_end(worker(), how);
        return;
    }
    end_ = how;
    for (std::uint8_t state = state_.load(std::memory_order_acquire);;) {
        switch (static_cast<State>(state)) {
            case State::ended:
                return;
            case State::ready:
            case State::typed:
            case State::untyped:
                if (!state_.compare_exchange_weak(state, static_cast<std::uint8_t>(State::claimed),
                                                  std::memory_order_acq_rel, std::memory_order_acquire))
                    continue;
                finish_for_other(worker());
                return;
            default:
                if (state_.compare_exchange_weak(state, state | kEnds, std::memory_order_acq_rel,
                                                 std::memory_order_acquire))
                    return;
        }
    }
}

/// The telemetry dies. What still is to resume the task finds that it has ended.
void AsioTask::abandon() noexcept {
    tell_end(worker(), End::destroyed);
}

/// Tells the end from whatever the task was told to be in last, in a run of its own if it was not told to run: the run
/// that it ended in was told nowhere. Only for who has it.
void AsioTask::finish_for_other(Worker& its_worker) noexcept {
    if (end_ == End::destroyed || times_.state() == TaskState::Running) {
        tell_end(its_worker, end_);
        return;
    }
    const AsioRun* const run = t_thread.run;
    AsioRun* const interrupted = AsioRun::interrupt(t_thread.run);
    if (times_.state() != TaskState::Ready) its_worker.ready(times_, WakeCause::external);
    const bool has_tick = run != nullptr && &run->task_ == this && run->is_told_;
    AsioLoop* const loop = has_tick ? nullptr : loop_of(its_worker);
    if (loop != nullptr) loop->begin_tick(times_);
    its_worker.running(times_);
    tell_end(its_worker, end_);
    if (loop != nullptr) loop->end_tick();
    if (interrupted != nullptr) interrupted->go_on();
}

void AsioTask::tell_end(Worker& its_worker, End how) noexcept {
    switch (how) {
        case End::done:
            its_worker.done(times_);
            break;
        case End::failed:
            its_worker.failed(times_, error_);
            break;
        case End::aborted:
            its_worker.cancelled(times_, CancelCause::asked);
            break;
        case End::destroyed:
            its_worker.cancelled(times_, CancelCause::destroyed);
            break;
    }
    telemetry_->remove(*this);
    // after this the telemetry may be gone
    state_.store(static_cast<std::uint8_t>(State::ended), std::memory_order_release);
}

// ---- a run ----

AsioRun::AsioRun(AsioTask& task, const AsioWake& wake) noexcept : task_{task}, outer_{t_thread.run} {
    Thread& thread = t_thread;
    using State = AsioTask::State;
    thread.completing = Completing::nothing;
    thread.run = this;  // whatever it is: what runs here is none of the outer one's
    if (wake.kind == AsioWake::Kind::late) {
        if (!task.claim(State::untyped, State::claimed)) return;  // see suspend_unknown()
        AsioWake told = wake;
        if (task.waits_for_ == AsioWait::join && (wake.waker == 0 || wake.waker == task.number_)) {
            told.cause = WakeCause::join;
            told.waker = task.number_;
        }
        task.tell_ready(task.worker(), told);
    }
    if (task.state_.load(std::memory_order_acquire) == static_cast<std::uint8_t>(State::ended)) return;  // abandon()
    Worker& worker = task.worker();
    interrupted_ = interrupt(outer_);
    // Ready and Running at one moment, unless something is told in between
    const bool at_once = wake.at_once && interrupted_ == nullptr && !worker.is_dumping();
    if (AsioLoop* const loop = loop_of(worker); loop != nullptr) loop->begin_tick(task.times_);
    worker.running(task.times_, at_once ? wake.at : Stamp{});
    is_told_ = true;
    if (task.claim(State::claimed, State::running))
        owns_ = true;
    else
        task.finish_for_other(worker);
}

AsioRun::~AsioRun() {
    Thread& thread = t_thread;
    if (owns_) task_.suspend_unknown(*this);
    thread.run = outer_;
    if (!is_told_) return;
    if (thread.loop != nullptr) thread.loop->end_tick();
    if (interrupted_ != nullptr) interrupted_->go_on();
}

AsioRun* AsioRun::interrupt(AsioRun* innermost) noexcept {
    while (innermost != nullptr && !innermost->is_told_)
        innermost = innermost->outer_;
    if (innermost == nullptr || !innermost->owns_) return nullptr;
    innermost->task_.worker().yield(innermost->task_.times_);
    return innermost;
}

void AsioRun::go_on() noexcept {
    if (!owns_) return;
    Worker& worker = task_.worker();
    if (AsioLoop* const loop = loop_of(worker); loop != nullptr) loop->begin_tick(task_.times_);
    worker.running(task_.times_);
}

// ---- what Asio tells ----

bool asio_may_suspend() noexcept {
    const AsioRun* const run = t_thread.run;
    return run != nullptr && run->owns_;
}

bool asio_listens() noexcept {
    return t_thread.run->task_.worker().listens();
}

void asio_suspends(AsioWait what, std::uint64_t number) noexcept {
    AsioRun& run = *t_thread.run;
    run.task_.suspend(run, what, number);
}

AsioSuspension::AsioSuspension(bool co_spawn) noexcept : run_{t_thread.run}, co_spawn_{co_spawn} {
    if (run_ == nullptr) return;
    outer_ = run_->suspending_;
    run_->suspending_ = co_spawn_ ? 0 : outer_ + 1;
}

AsioSuspension::~AsioSuspension() {
    if (run_ == nullptr) return;
    run_->suspending_ = outer_;
    if (!co_spawn_ && run_->owns_) run_->task_.suspend_unknown(*run_);
}

void AsioUpcall::begin(bool aborted) noexcept {
    began_ = true;
    ++t_thread.upcalls;
    outer_ = static_cast<std::uint8_t>(t_thread.completing);
    if (!resumes_coroutine_)
        t_thread.completing = Completing::nothing;
    else
        t_thread.completing = aborted ? Completing::aborted_coroutine : Completing::coroutine;
}

void AsioUpcall::end() noexcept {
    --t_thread.upcalls;
    t_thread.completing = static_cast<Completing>(outer_);
}

// ---- a loop ----

AsioLoop::AsioLoop(asio::Telemetry& telemetry) : lease_{telemetry.worker()}, outer_{t_thread.loop} {
    t_thread.loop = this;
}

AsioLoop::~AsioLoop() {
    unpark();
    t_thread.loop = outer_;
}

std::uint64_t AsioLoop::park() noexcept {
    lease_->park();
    parked_ = true;
    return lease_->longest_park_ns();
}

void AsioLoop::end_park() noexcept {
    parked_ = false;
    lease_->unpark();
}

}  // namespace tiffany::detail

namespace tiffany::asio {

Telemetry::Telemetry(std::string_view name, const TelemetryOptions& options) : SchedulerTelemetry{name, options} {
    list_tasks_by(this);
}

Telemetry::~Telemetry() {
    for (;;) {
        tiffany::detail::AsioTask* task = nullptr;
        {
            const std::lock_guard lock{mutex_};
            if (live_.empty()) return;
            task = live_.begin()->second;
        }
        task->abandon();
    }
}

void Telemetry::add(tiffany::detail::AsioTask& task) {
    const std::lock_guard lock{mutex_};
    live_.emplace(task.tid(), &task);
}

void Telemetry::remove(const tiffany::detail::AsioTask& task) noexcept {
    const std::lock_guard lock{mutex_};
    live_.erase(task.tid());
}

std::uint64_t Telemetry::list(std::uint64_t cursor, TaskTaker& taker) noexcept {
    // tried: another thread may have held it when this process was forked
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock) return cursor;
    for (auto task = live_.upper_bound(cursor); task != live_.end(); ++task) {
        if (!taker.wants_more()) return cursor;
        taker.take(task->second->times());
        cursor = task->first;
    }
    return kEnd;
}

}  // namespace tiffany::asio
