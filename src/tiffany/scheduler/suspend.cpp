// Tasks suspend, and wait no more.

#include <exception>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "engine.hpp"
#include "loop.hpp"

namespace tiffany::detail {

// ---- what the awaiters give when they go on ----

void throw_cancelled(Chain& chain) {
    TaskCore& task = task_of(chain);
    // acquire: who asked is seen
    const std::uint8_t pending = task.cancel_pending.load(std::memory_order_acquire);
    if (pending == 0) return;
    const std::uint64_t canceller = task.canceller;
    task.cancel_pending.store(0, std::memory_order_release);  // release: the next one who asks overwrites what was read
    task.cancel_delivered = true;
    throw TaskCancelled{task.life.tid(), static_cast<CancelCause>(pending - 1), canceller};
}

bool IoAwaiter::await_resume() const {
    throw_if_cancelled(*this);
    if (error != 0) throw std::system_error{error, std::system_category(), "cannot wait for the descriptor"};
    return !timed_out;
}

bool JoinOperation::finish() const {
    throw_if_cancelled(*this);
    switch (refusal) {
        case Refusal::none:
            break;
        case Refusal::unknown:
            throw std::invalid_argument{ref.tid() == 0 ? "cannot join: the handle stands for no task"
                                                       : "cannot join task " + std::to_string(ref.tid()) +
                                                             ": nobody has a handle of such a task"};
        case Refusal::other_scheduler:
            throw std::invalid_argument{"cannot join a task of another scheduler"};
        case Refusal::cycle:
            std::rethrow_exception(std::exchange(chain->side->error, nullptr));
    }
    if (timed_out) return false;
    const TaskCore& ended = *target.core();
    switch (ended.life.state()) {
        case TaskState::Failed:
            if (ended.extras() == nullptr) throw TargetFailed{target.tid(), "and there was no memory to keep why", {}};
            throw TargetFailed{target.tid(), ended.extras()->message, ended.extras()->error};
        case TaskState::Cancelled:
            throw TargetCancelled{target.tid()};
        default:
            return true;
    }
}

// ---- the running task suspends ----

namespace {

constexpr std::uint64_t kFromNow = 0;

/// Asked again with the lock held: who asks a task that runs leaves it to this.
bool is_cancelled(const TaskCore& task) noexcept {
    return task.cancel_pending.load(std::memory_order_relaxed) != 0;
}

}  // namespace

bool Loop::suspend(TaskCore& task, Operation& operation) noexcept {
    operation.timed_out = false;
    if (is_cancelled(task)) return false;  // it is thrown instead
    switch (operation.waits_for) {
        case WaitsFor::yield:
            return give_way(task, true);
        case WaitsFor::sleep_for:
            if (operation.time_ns == 0) return give_way(task, true);
            return begin_sleep(task, operation, operation.time_ns, kFromNow);
        case WaitsFor::sleep_until: {
            const std::uint64_t now = engine_->now_ns();
            if (operation.time_ns <= now) return give_way(task, true);
            return begin_sleep(task, operation, operation.time_ns - now, operation.time_ns);
        }
        case WaitsFor::wake:
            return begin_sleep_until_woken(task, operation);
        case WaitsFor::join:
            return begin_join(task, static_cast<JoinOperation&>(operation));
        case WaitsFor::io:
            return begin_io(task, static_cast<IoOperation&>(operation));
        case WaitsFor::listed:
            return begin_shared(task, static_cast<SharedOperation&>(operation));
        case WaitsFor::quota:
        case WaitsFor::dependencies:
            break;
    }
    return false;
}

void Loop::charge_budget(TaskCore& task) noexcept {
    if (task.extras() == nullptr || !task.extras()->budget.limited()) return;
    const std::uint64_t now = engine_->clock().ticks();
    task.extras()->budget.charge(engine_->clock().to_ns(now - std::exchange(budget_from_, now)));
}

/// @param may_park  false: what became a yield because its wake came first stays Ready
bool Loop::give_way(TaskCore& task, bool may_park) noexcept {
    charge_budget(task);
    std::uint64_t quantum_ns = quantum_ns_;
    if (TaskExtras* const extras = task.extras()) {
        if (extras->quantum_ns) quantum_ns = *extras->quantum_ns;
        const std::uint64_t now_ns = may_park && extras->budget.limited() ? engine_->now_ns() : 0;
        const std::uint64_t park_ns = now_ns != 0 ? extras->budget.park_ns(now_ns) : 0;
        if (park_ns != 0) {
            const Guard guard{*engine_};
            if (is_cancelled(task)) return false;
            worker_->throttled(task.life, park_ns, end_of_run());
            extras->pause.chain = &task;
            task.waiting = &extras->pause;
            add_timer(task, later(now_ns, park_ns));
            return true;
        }
    }
    const Stamp now = end_of_run();
    // that the run was too long is told to whoever listens, and changes nothing else
    if (quantum_ns != 0 && worker_->ns_between(run_began_, now) > quantum_ns)
        worker_->throttled(task.life, 0, now);
    else
        worker_->yield(task.life, now);
    push(task);
    return true;
}

/// @param until_ns  kFromNow: for dur_ns after its run has ended, so that it waits no less than is told
bool Loop::begin_sleep(TaskCore& task, Operation& operation, std::uint64_t dur_ns, std::uint64_t until_ns) noexcept {
    charge_budget(task);
    const Guard guard{*engine_};
    if (is_cancelled(task)) return false;
    worker_->sleep(task.life, dur_ns, end_of_run());
    task.waiting = &operation;
    add_timer(task, until_ns != kFromNow ? until_ns : later(engine_->now_ns(), dur_ns));
    return true;
}

/// The wake that came first, if one did, is used up.
bool Loop::take_wake(TaskCore& task) noexcept {
    auto expected = WakeState::woken;
    return task.wake.compare_exchange_strong(expected, WakeState::idle, std::memory_order_acquire);
}

bool Loop::begin_sleep_until_woken(TaskCore& task, Operation& operation) noexcept {
    if (take_wake(task)) return give_way(task, false);
    charge_budget(task);
    {
        const Guard guard{*engine_};
        if (is_cancelled(task)) return false;
        if (!take_wake(task)) {  // tasks hold the lock when they wake one: from here on only other threads can
            worker_->sleep(task.life, 0, end_of_run());
            task.waiting = &operation;
            auto expected = WakeState::idle;
            // release: who wakes it sees it asleep, with its hook fired
            if (task.wake.compare_exchange_strong(expected, WakeState::asleep, std::memory_order_acq_rel)) return true;
            // the wake came between: the hook stands, and there is nobody else to make it ready
            task.wake.store(WakeState::idle, std::memory_order_relaxed);
            last_end_ = {};
            engine_->make_ready(task, WakeCause::external, 0);
            return true;
        }
    }
    return give_way(task, false);
}

bool Loop::begin_join(TaskCore& task, JoinOperation& operation) noexcept {
    operation.target = operation.ref.handle() ? operation.ref.handle() : engine_->find_held(operation.ref.tid());
    const Guard guard{*engine_};
    using Refusal = JoinOperation::Refusal;
    operation.refusal = Refusal::none;
    if (is_cancelled(task)) return false;
    TaskCore* const target = operation.target.core();
    if (target == nullptr || &TaskStore::of(*target) != &engine_->store()) {
        operation.refusal = target == nullptr ? Refusal::unknown : Refusal::other_scheduler;
        return false;
    }
    if (has_ended(*target)) return false;
    if (operation.time_ns == 0) {
        operation.timed_out = true;
        return false;
    }
    try {
        const std::string cycle = operation.waits_for_ever ? engine_->cycle_through(task, *target) : std::string{};
        if (!cycle.empty()) throw JoinCycle{"cannot join: these tasks would wait for each other for ever: " + cycle};
    } catch (...) {
        error = std::current_exception();
        operation.refusal = Refusal::cycle;
        return false;
    }
    worker_->join(task.life, operation.target.tid(), end_of_run());
    target->joiners.add(operation);
    begin_wait(task, operation);
    return true;
}

bool Loop::begin_io(TaskCore& task, IoOperation& operation) noexcept {
    operation.error = 0;
    if (Poller::is_ready(operation.fd, operation.direction, operation.error) || operation.error != 0) return false;
    if (operation.time_ns == 0) {
        operation.timed_out = true;
        return false;
    }
    const Guard guard{*engine_};
    if (is_cancelled(task)) return false;
    // before the hook, because it may be refused: nobody but this thread will hear of it
    if (poller_.waiting() == 0) look_after(1);
    operation.error = poller_.add(operation);
    if (operation.error != 0) return false;
    worker_->iowait(task.life, static_cast<std::uint64_t>(operation.fd), end_of_run());
    begin_wait(task, operation);
    return true;
}

bool Loop::begin_shared(TaskCore& task, SharedOperation& operation) noexcept {
    const Guard guard{*engine_};
    if (is_cancelled(task) || operation.try_now(operation)) return false;
    if (operation.time_ns == 0) {
        operation.timed_out = true;
        return false;
    }
    worker_->wait(task.life, operation.reason, operation.resource, end_of_run());
    operation.where->add(operation);
    begin_wait(task, operation);
    return true;
}

void Loop::add_timer(TaskCore& task, std::uint64_t deadline_ns) noexcept {
    if (deadline_ns == Operation::kNever) return;
    if (timers_.empty()) look_after(1);
    task.waiting->timed = true;
    timers_.add(TaskStore::place_of(task), deadline_ns);
}

void Loop::begin_wait(TaskCore& task, Operation& operation) noexcept {
    charge_budget(task);
    task.waiting = &operation;
    if (operation.time_ns != Operation::kNever) add_timer(task, later(engine_->now_ns(), operation.time_ns));
}

// ---- it waits no more ----

void Loop::detach(TaskCore& task) noexcept {
    Operation* const operation = std::exchange(task.waiting, nullptr);
    if (operation == nullptr || operation->waits_for == WaitsFor::dependencies) return;
    if (std::exchange(operation->timed, false)) timers_.remove(TaskStore::place_of(task));
    switch (operation->waits_for) {
        case WaitsFor::io:
            poller_.remove(static_cast<IoOperation&>(*operation));
            break;
        case WaitsFor::join:
            WaitList::remove(static_cast<ListedOperation&>(*operation));
            break;
        case WaitsFor::listed: {
            auto& shared = static_cast<SharedOperation&>(*operation);
            if (shared.list == nullptr) break;  // what it waited for has died
            WaitList::remove(shared);
            if (shared.left != nullptr) shared.left(shared);
            break;
        }
        default:
            break;
    }
}

}  // namespace tiffany::detail
