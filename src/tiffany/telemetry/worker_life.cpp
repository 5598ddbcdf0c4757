// A worker is taken, given back and inherited; how long it is busy, as others ask.

#include <unistd.h>

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

#include "pal_ring.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"
#include "stall_watch.hpp"
#include "worker_fire.hpp"

namespace tiffany {

using namespace detail;

std::uint64_t Worker::busy_ns() const noexcept {
    // In this order it is never too much: now is before what is read next, and a stretch that is in the sum (acquire)
    // is seen as closed. It may be too little for a moment; SchedulerCore::snapshot() tells the last value then.
    const std::uint64_t now = clock_->ticks();
    const std::uint64_t ended = shard_.busy_ns.load(std::memory_order_acquire);
    const std::uint64_t since = shard_.busy_since.load(std::memory_order_relaxed);
    if (since == 0 || static_cast<std::int64_t>(now - since) <= 0) return ended;
    return ended + clock_->to_ns(now - since);
}

// A foreign thread is busy with what is none of the scheduler's, and would never park.
void Worker::begin_busy_stretch(std::uint64_t now) noexcept {
    if (core_->metrics && (on_ & kEveryHook) == 0) shard_.busy_since.store(now, std::memory_order_relaxed);
}

void Worker::end_busy_stretch(std::uint64_t now) noexcept {
    const std::uint64_t since = shard_.busy_since.load(std::memory_order_relaxed);
    if (since == 0) return;
    shard_.busy_since.store(0, std::memory_order_relaxed);
    const std::uint64_t before = shard_.busy_ns.load(std::memory_order_relaxed);
    shard_.busy_ns.store(before + clock_->to_ns(now - since), std::memory_order_release);
}

std::uint64_t Worker::current_run_ns() const noexcept {
    const std::uint64_t since = shard_.running_since.load(std::memory_order_relaxed);
    const std::uint64_t now = clock_->ticks();
    // a stamp of the runtime's own may lie ahead
    return since == 0 || static_cast<std::int64_t>(now - since) <= 0 ? 0 : clock_->to_ns(now - since);
}

/// Whether its present run lasts for longer than the bound, and was not told of.
bool Worker::is_stalled(std::uint64_t bound_ns, Stall& stall) noexcept {
    const std::uint64_t now = clock_->ticks();  // before what is read next: so long it lasts at least
    const std::uint64_t since = shard_.running_since.load(std::memory_order_acquire);
    if (since == 0 || since == stall_told_) return false;
    const std::uint64_t tid = shard_.running_tid.load(std::memory_order_acquire);
    if (shard_.running_since.load(std::memory_order_relaxed) != since) return false;  // another run's tid, perhaps
    const std::uint64_t run_ns = clock_->to_ns(now - since);
    if (run_ns <= bound_ns) return false;
    stall = {this, id(), tid, since, run_ns};
    return true;
}

/// Of another worker's run, on the worker of the thread that watches. Returns whether anybody listens.
/// @param at  the clock may be gone when the first event is told, so it is not read, nor looked after as a hook does:
///            StallWatch::look() did
bool Worker::tell_stall(const Stall& stall, Stamp at) noexcept {
    if (generation_ != core_->process.generation()) catch_up(seq(), true, at);
    drop_what_is_off();
    if ((on_ & kTracers) == 0) return false;
    tiffany_stalled event;
    event.worker = stall.worker_id;
    event.tid = stall.tid;
    event.run_ns = stall.run_ns;
    fire(EventId::Stalled, event, at);
    return true;
}

/// It is another thread's from now on. Returns when.
Stamp Worker::start(bool has_loop) noexcept {
    thread_ = static_cast<std::uint32_t>(gettid());
    polls_ = {};
    join_lttng_calls();
    generation_ = core_->process.generation();
    on_ = has_loop ? 0 : kEveryHook;
    ticks_to_look_ = 1;
    renew_patience(core_->process.lttng_sessions());
    make_on_word(seq());
    shard_.parked_at.store(0, std::memory_order_relaxed);
    shard_.thread.store(thread_, std::memory_order_relaxed);
    const std::uint64_t now = clock_->ticks();
    begin_busy_stretch(now);
    on_seq_ = seq() + 1;
    return Stamp{now};
}

/// After start(), before any hook. Its thread may have to wait for LTTng, and the clock may be gone by then.
/// @param at  what start() returned
void Worker::tell_started(bool has_loop, Stamp at) noexcept {
    fire_started(seq(), at);
    if (!has_loop || !finds_dump_open()) return;
    if ((on_ & kTracers) != 0)
        begin_dump(seq(), false, at);
    else
        join_dump(false);
}

void Worker::get_loop() noexcept {
    on_ &= ~kEveryHook;
    begin_busy_stretch(clock_->ticks());
    if (finds_dump_open()) join_dump(false);
}

/// No worker with a loop was there when a tracer came, or after a fork, but tasks may have been.
bool Worker::finds_dump_open() const noexcept {
    if (core_->task_list.load(std::memory_order_relaxed) == nullptr) return false;
    return core_->dump_turn.is_behind(generation_) && ((on_ & kTracers) != 0 || core_->wants_inherited());
}

/// Nothing of it goes on.
void Worker::settle() noexcept {
    if (core_->metrics) end_busy_stretch(clock_->ticks());
    shard_.parked_at.store(0, std::memory_order_relaxed);
    shard_.running_since.store(0, std::memory_order_relaxed);  // who gives it back in a run will not end that run here
    shard_.running_tid.store(0, std::memory_order_release);
    shard_.pending.settle();
    shard_.pending_waits.settle();
}

/// After settle(), before another thread gets it, or its index. Its thread may have to wait for LTTng.
/// @param at  known: the clock may be gone
void Worker::tell_stopped(Stamp at) noexcept {
    if ((on_ & kTracers) == 0) return;
    tiffany_worker_stopped event;
    event.worker = id();
    event.seq = seq();
    fire(EventId::WorkerStopped, event, at);
}

void Worker::become_child(std::uint64_t instance, bool held) noexcept {
    draft_.worker.store((instance << 16) | (id() & 0xffff), std::memory_order_relaxed);
    draft_.seq.store(0, std::memory_order_relaxed);
    first_seq_ = 0;
    // the run that forked goes on here
    const std::uint64_t running_since = held ? shard_.running_since.load(std::memory_order_relaxed) : 0;
    const std::uint64_t running_tid = held ? shard_.running_tid.load(std::memory_order_relaxed) : 0;
    shard_.clear();
    shard_.running_since.store(running_since, std::memory_order_relaxed);
    shard_.running_tid.store(running_tid, std::memory_order_relaxed);
    // the rest of a block that the parent took may be in use there as well: a task of the child's own has a later tid
    next_tid_ = end_tid_ = 0;
    lttng_left_out_.store(0, std::memory_order_relaxed);
    patience_ = {};
    polls_ = {};
    told_pending_ = told_pending_waits_ = {};
    busy_told_ns_ = run_delay_before_ns_ = run_delay_told_ns_ = 0;
    run_delay_known_ = false;
    on_seq_ = 1;
    thread_ = static_cast<std::uint32_t>(gettid());
    join_lttng_calls();
    if (held && core_->metrics) {
        shard_.thread.store(thread_, std::memory_order_relaxed);
        begin_busy_stretch(clock_->ticks());
    }
    // the thread that wrote what was told is not here; its rings are the parent's
    ring_.fill(nullptr);
    for (std::atomic<PalRing*>& offered : offered_ring_)
        offered.store(nullptr, std::memory_order_relaxed);
    rings_.clear();
    on_ = (on_ & ~(kPalAny | kTickPalAny | kDumping)) | kAnnounce;
}

}  // namespace tiffany
