#include <tiffany/adapters/asio_telemetry.hpp>
#include <tiffany/adapters/detail/asio_run.hpp>

namespace tiffany::detail {

thread_local constinit AsioThread asio_thread;

// ---- a run ----

/// @param at  since when it is Ready, if it runs from then on
inline void AsioRun::tell_running(Worker& worker, AsioLoop* loop, Stamp at) noexcept {
    if (outer_ != nullptr) interrupted_ = interrupt(outer_);
    // Ready and Running at one moment, unless something is told in between
    if (interrupted_ != nullptr || worker.is_dumping()) at = {};
    if (loop != nullptr) loop->begin_tick(task_.times_);
    worker.running(task_.times_, at);
    is_told_ = true;
}

AsioRun::AsioRun(AsioTask& task, const AsioWake& wake) noexcept
    : task_{task}, tid_{task.tid()}, outer_{asio_thread.run} {
    asio_thread.completing = AsioCompleting::nothing;
    begin(wake);
}

AsioRun::AsioRun(AsioTask& task) noexcept : task_{task}, tid_{task.tid()}, outer_{asio_thread.run} {
    using State = AsioTask::State;
    AsioThread& thread = asio_thread;
    if (thread.completing == AsioCompleting::nothing || !task.claim(State::typed, State::running)) [[unlikely]] {
        begin_otherwise();
        return;
    }
    const WakeCause cause = task.cause_of(thread.completing);
    thread.completing = AsioCompleting::nothing;
    thread.run = this;
    owns_ = true;
    AsioLoop* const loop = task.loop();
    Worker& worker = task.worker_of(loop);
    const Stamp at = worker.now();
    task.tell_ready(worker, cause, 0, at);
    tell_running(worker, loop, at);
}

/// The task does not wait for an operation of Asio's: what completes is another coroutine's, or it was abandoned.
void AsioRun::begin_otherwise() noexcept {
    AsioWake wake = task_.wake();
    wake.at_once = wake.at.known();
    if (wake.kind != AsioWake::Kind::plain) begin(wake);
}

void AsioRun::begin(const AsioWake& wake) noexcept {
    using State = AsioTask::State;
    asio_thread.run = this;  // whatever it is: what runs here is none of the outer one's
    if (wake.kind == AsioWake::Kind::late) {
        if (!task_.claim(State::untyped, State::claimed)) return;  // see suspend_unknown()
        AsioWake told = wake;
        if (task_.waits_for_ == AsioWait::join && (wake.waker == 0 || wake.waker == task_.number_)) {
            told.cause = WakeCause::join;
            told.waker = task_.number_;
        }
        Worker& worker = task_.worker();
        task_.tell_ready(worker, told.cause, told.waker, told.at.known() ? told.at : worker.now());
    }
    if (task_.state_.load(std::memory_order_acquire) == static_cast<std::uint8_t>(State::ended)) return;  // abandon()
    AsioLoop* const loop = task_.loop();
    Worker& worker = task_.worker_of(loop);
    tell_running(worker, loop, wake.at_once ? wake.at : Stamp{});
    if (task_.claim(State::claimed, State::running))
        owns_ = true;
    else
        task_.finish_for_other(worker);
}

AsioRun::~AsioRun() {
    AsioThread& thread = asio_thread;
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
    if (AsioLoop* const loop = task_.loop(); loop != nullptr) loop->begin_tick(task_.times_);
    worker.running(task_.times_);
}

// ---- a loop ----

AsioLoop::AsioLoop(asio::Telemetry& telemetry)
    : telemetry_{&telemetry}, lease_{telemetry.worker()}, outer_{asio_thread.loop} {
    asio_thread.loop = this;
}

AsioLoop::~AsioLoop() {
    unpark();
    asio_thread.loop = outer_;
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
