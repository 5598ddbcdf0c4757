// What a worker does between the hooks, and tells of itself: parks, ticks, its start, dumps, groups.

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

#include "process.hpp"
#include "scheduler_core.hpp"
#include "text.hpp"
#include "worker_fire.hpp"

namespace tiffany {

using namespace detail;

void Worker::park() noexcept {
    if ((on_ & kRefused) != 0) return;
    if ((on_ & kAnnounce) != 0) announce(seq());
    look();
    if (generation_ != core_->process.generation()) catch_up(seq());
    drop_what_is_off();
    if ((on_ & kDumping) != 0) dump_some();
    if ((on_ & kListeners) == 0) return;
    const std::uint64_t now = clock_->ticks();
    shard_.parked_at.store(now, std::memory_order_relaxed);
    end_busy_stretch(now);
    shard_.running_since.store(0, std::memory_order_relaxed);  // who parks in a run has left it open
    tiffany_worker_park event;
    event.worker = id();
    fire(EventId::ParkBegin, event);
}

void Worker::unpark() noexcept {
    end_park();
    // what woke it may lead to hooks before the next tick
    if ((on_ & kRefused) == 0 && generation_ != core_->process.generation()) catch_up(seq(), false);
}

void Worker::end_park() noexcept {
    const std::uint64_t parked_at = shard_.parked_at.load(std::memory_order_relaxed);
    if (parked_at == 0) return;  // nothing listened when it parked
    tiffany_worker_unpark event;
    event.worker = id();
    const std::uint64_t now = clock_->ticks();
    event.park_ns = clock_->to_ns(now - parked_at);
    shard_.parked_at.store(0, std::memory_order_relaxed);
    begin_busy_stretch(now);
    fire(EventId::ParkEnd, event);
}

void Worker::begin_tick(const TaskTimes& task) noexcept {
    if ((on_ & kRefused) != 0) return;  // shared by threads: nothing of it is touched
    if (--ticks_to_look_ == 0) look();
    if ((on_ & ~kPlainTick) != 0) {
        if ((on_ & kAnnounce) != 0) announce(seq());
        drop_what_is_off();
        if ((on_ & kDumping) != 0 && generation_ == core_->process.generation()) dump_some();
    }
    if (generation_ != core_->process.generation()) catch_up(seq());
    if ((on_ & kTickBits) == 0) return;
    last_run_ns_ = 0;
    last_state_ = task.state();
    tick_tid_ = task.tid_;
    tiffany_tick_begin event;
    event.worker = id();
    event.tid = tick_tid_;
    event.state = number(last_state_);
    fire_tick(EventId::TickBegin, event);
}

void Worker::end_tick() noexcept {
    tiffany_tick_end event;
    event.worker = id();
    event.tid = tick_tid_;
    event.state = number(last_state_);
    event.run_ns = last_run_ns_;
    fire_tick(EventId::TickEnd, event);
}

/// Who it is, and at which transition.
template <typename Event>
Event Worker::event_of_worker(std::uint64_t position) const noexcept {
    Event event;
    event.worker = id();
    copy_text(event.scheduler, core_->name);
    event.pid = core_->process.pid();
    event.thread = thread_;
    event.catalogue = catalogue::kVersion;
    event.seq = position;
    return event;
}

void Worker::fire_started(std::uint64_t position, Stamp at) noexcept {
    if ((on_ & kTracers) == 0) return;
    fire(EventId::WorkerStarted, event_of_worker<tiffany_worker_started>(position), at);
}

void Worker::fire_dump(std::uint64_t position, DumpPhase phase, std::uint64_t tasks, Stamp at) noexcept {
    auto event = event_of_worker<tiffany_dump_worker>(position);
    event.on_seq = on_seq_;
    event.generation = generation_;
    event.phase = number(phase);
    event.tasks = tasks;
    fire(EventId::WorkerDumped, event, at);
}

void Worker::fire_task(const tiffany_dump_task& event) noexcept {
    fire(EventId::State, event);
}

void Worker::tell_group(std::uint16_t group, const char* name, Stamp at) noexcept {
    if ((on_ & kTracers) == 0) return;
    tiffany_scheduler_group event;
    event.worker = id();
    event.group = group;
    copy_text(event.name, name);
    fire(EventId::Group, event, at);
}

}  // namespace tiffany
