#include <tiffany/adapters/asio_telemetry.hpp>
#include <tiffany/adapters/detail/asio_run.hpp>

namespace tiffany::detail {

void AsioTask::destroy(AsioTask* task) noexcept {
    delete task;
}

Worker& AsioTask::foreign_worker() const noexcept {
    return telemetry_->here();
}

AsioTaskRef AsioTask::spawn(asio::Telemetry& telemetry, SpawnInfo info) {
    AsioTaskRef task{new AsioTask{telemetry}};
    if (asio_thread.run != nullptr) info.parent = asio_thread.run->tid_;
    task->worker().spawned(task->times_, info);
    try {
        telemetry.add(*task);
    } catch (...) {
        task->end_destroyed();
        throw;
    }
    return task;
}

/// Lets go of the task: from here on any thread may claim it. Only for who has it.
void AsioTask::publish(State from, State to) noexcept {
    if (claim(from, to)) return;
    if (state_.load(std::memory_order_acquire) == static_cast<std::uint8_t>(State::ended)) return;  // see abandon()
    finish_for_other(worker());  // it ended elsewhere, on a thread that could not tell
}

AsioWake AsioTask::wake() noexcept {
    AsioThread& thread = asio_thread;
    // the first function that an operation's completion gives to an executor is its handler; what that runs is not
    const AsioCompleting completing = std::exchange(thread.completing, AsioCompleting::nothing);
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
        wake.waker = run->tid_;
        wake.cause = WakeCause::event;
    }
    if (state == State::running) {  // elsewhere, or what it suspends for is not told yet
        wake.kind = AsioWake::Kind::late;
        return wake;
    }
    if (completing == AsioCompleting::nothing) {
        if (state == State::typed) return wake;  // the operation that it waits for is still to complete
        // Not in a handler: it may be that a context is being destroyed, and that nobody will call the function.
        if (run == nullptr && thread.upcalls == 0) {
            wake.kind = AsioWake::Kind::late;
            wake.at = worker().now();
            return wake;
        }
    }
    if (!claim(state, State::claimed)) return wake;
    if (completing != AsioCompleting::nothing) {
        wake.waker = 0;
        wake.cause = cause_of(completing);
    } else if (waits_for_ == AsioWait::join && (run == nullptr || wake.waker == number_)) {
        wake.cause = WakeCause::join;
        wake.waker = number_;
    }
    wake.kind = AsioWake::Kind::claimed;
    Worker& its_worker = worker();
    wake.at = its_worker.now();
    tell_ready(its_worker, wake.cause, wake.waker, wake.at);
    return wake;
}

void AsioTask::drop_claim() noexcept {
    publish(State::claimed, State::ready);
}

void AsioTask::joined_here() noexcept {
    if (asio_may_suspend() == nullptr || asio_thread.run->suspending_ == 0) return;
    AsioRun& run = *asio_thread.run;
    run.task_.suspend(run, AsioWait::join, tid());
}

void AsioTask::suspend(AsioRun& run, AsioWait what, std::uint64_t number, Stamp at) noexcept {
    run.owns_ = false;
    Worker& its_worker = worker();
    const Stamp now = at.known() ? at : its_worker.now();
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
    AsioRun* const run = asio_thread.run;
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
                hold();  // for who finds it: tell_end() lets go
                if (state_.compare_exchange_weak(state, state | kEnds, std::memory_order_acq_rel,
                                                 std::memory_order_acquire))
                    return;
                let_go();
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
    const AsioRun* const run = asio_thread.run;
    AsioRun* const interrupted = AsioRun::interrupt(asio_thread.run);
    if (times_.state() != TaskState::Ready) its_worker.ready(times_, WakeCause::external);
    const bool has_tick = run != nullptr && run->tid_ == tid() && run->is_told_;
    AsioLoop* const ticking = has_tick ? nullptr : loop();
    if (ticking != nullptr) ticking->begin_tick(times_);
    its_worker.running(times_);
    tell_end(its_worker, end_);
    if (ticking != nullptr) ticking->end_tick();
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
    // after this the telemetry may be gone, and then the task. acq_rel: with kEnds comes what is beside it
    const std::uint8_t before = state_.exchange(static_cast<std::uint8_t>(State::ended), std::memory_order_acq_rel);
    if ((before & kEnds) != 0) let_go();
}

}  // namespace tiffany::detail
