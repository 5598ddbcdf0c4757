#include <unistd.h>

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "inherited.hpp"
#include "kernel_time.hpp"
#include "pal_ring.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"
#include "stall_watch.hpp"
#include "text.hpp"

namespace tiffany {

using namespace detail;

namespace {

constexpr std::uint64_t kTidBlock = 1024;           // tids that a worker takes at once
constexpr std::uint64_t kBlockedNs = 10'000'000;    // an LTTng call this long waited for its consumer: see ADR 0006
constexpr std::uint64_t kGiveUpNs = 2'000'000'000;  // so long in blocked calls in a row: the consumer is dead

template <typename Enum>
constexpr std::uint8_t number(Enum value) noexcept {
    return static_cast<std::uint8_t>(value);
}

}  // namespace

Worker::Worker(SchedulerCore& core) noexcept
    : core_{&core}, clock_{&core.clock}, process_generation_{&core.process.generation_word()} {}

std::uint64_t Worker::first_of_new_tids() noexcept {
    // the worker that refused threads share has no block: several threads may be here at once
    const std::uint64_t count = (on_ & kRefused) != 0 ? 1 : kTidBlock;
    const std::uint64_t first = core_->process.take_tids(count);
    if (count == 1) return first;
    next_tid_ = first + 1;
    end_tid_ = first + count;
    return first;
}

// ---- firing ----

template <typename Event>
void Worker::fire(EventId id, const Event& event, std::uint64_t now) noexcept {
    for (std::size_t exit = 0; exit < kPalExits; ++exit)
        if ((on_ & kPalBits[exit]) != 0) ring_[exit]->push(id, now, &event, sizeof event);
    if ((on_ & kUsdt) != 0) kUsdtProbes[static_cast<std::size_t>(id)](&event);
    if ((on_ & (kLttng | kLeftOut)) != 0) fire_lttng(id, &event);
}

/// A transition. `fill` sets the fields that are the event's own; where only one ring wants it, in that ring.
template <typename Event, typename Fill>
inline void Worker::fire_filled(EventId id, std::uint64_t now, const TaskTimes& task, const Fill& fill) noexcept {
    const std::uint32_t tracers = on_ & kTracers;
    for (std::size_t exit = 0; exit < kPalExits; ++exit) {
        if (tracers != kPalBits[exit]) continue;
        Event* const event = ring_[exit]->begin<Event>(id, now);
        if (event == nullptr) break;
        set_head(*event, task);
        fill(*event);
        ring_[exit]->commit<Event>();
        return;
    }
    Event event;
    set_head(event, task);
    fill(event);
    fire(id, event, now);
}

/// An event that is no transition: nobody has read the clock for it.
template <typename Event>
void Worker::fire(EventId id, const Event& event) noexcept {
    fire(id, event, (on_ & kPalAny) != 0 ? clock_->ticks() : 0);
}

template <typename Event>
void Worker::fire_tick(EventId id, const Event& event) noexcept {
    const std::uint64_t now = (on_ & kTickPalAny) != 0 ? clock_->ticks() : 0;
    for (std::size_t exit = 0; exit < kPalExits; ++exit)
        if ((on_ & kTickPalBits[exit]) != 0) ring_[exit]->push(id, now, &event, sizeof event);
    if ((on_ & kTickUsdt) != 0) kUsdtProbes[static_cast<std::size_t>(id)](&event);
    if ((on_ & (kTickLttng | kTickLeftOut)) != 0) fire_lttng(id, &event);
}

void Worker::fire_lttng(EventId id, const void* event) noexcept {
    if ((on_ & (kLeftOut | kTickLeftOut)) != 0) {
        lttng_left_out_.store(lttng_left_out() + 1, std::memory_order_relaxed);
    } else if (core_->process.lttng_may_block()) {
        call_lttng_timed(id, event);
    } else {
        core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    }
}

// A channel in blocking mode waits for its consumer; when that is dead, it waits at every event, or for ever.
void Worker::call_lttng_timed(EventId id, const void* event) noexcept {
    const std::uint64_t begin = kernel_ns();
    core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    const std::uint64_t took = kernel_ns() - begin;
    blocked_ns_ = took < kBlockedNs ? 0 : blocked_ns_ + took;
    if (blocked_ns_ < kGiveUpNs) return;
    // the consumer serves all channels: neither transitions nor ticks call it any more
    if ((on_ & kLttng) != 0) on_ = (on_ & ~kLttng) | kLeftOut;
    if ((on_ & kTickLttng) != 0) on_ = (on_ & ~kTickLttng) | kTickLeftOut;
}

template <typename Event>
Event Worker::event_of(const TaskTimes& task) const noexcept {
    Event event;
    set_head(event, task);
    return event;
}

template <typename Event>
inline void Worker::set_head(Event& event, const TaskTimes& task) const noexcept {
    event.worker = id();
    event.tid = task.tid_;
    event.seq = seq();
    event.step = task.step();
}

// ---- what the hooks share ----

/// Whether anything listens; what else the on-word asks for is done first. A hook that is here has found the word set.
inline bool Worker::enter_hook() noexcept {
    // this hook has taken its seq, and has not fired yet
    return (on_ & kSpecial) == 0 || enter_specially(seq() - 1);
}

bool Worker::enter_specially(std::uint64_t position) noexcept {
    if ((on_ & kRefused) != 0) {
        core_->process.count_refused();
        return false;
    }
    if ((on_ & kAnnounce) != 0) announce(position);
    if (generation_ != core_->process.generation()) catch_up(position);
    if ((on_ & kEveryHook) != 0) {
        if (--ticks_to_look_ == 0) look();
        drop_what_is_off();
    }
    return (on_ & kListeners) != 0;
}

inline std::uint64_t Worker::moment(Stamp at) const noexcept {
    return at.known() ? at.ticks() : clock_->ticks();
}

/// The same, if it is to be had without a call, else 0. A function without calls saves no registers.
inline std::uint64_t Worker::quick_moment(Stamp at) const noexcept {
    return at.known() ? at.ticks() : clock_->ticks_without_call();
}

/// When the transition before this one was; 0 = nothing listened then.
inline std::uint64_t Worker::stamp_of(const TaskTimes& task, std::uint64_t before) noexcept {
    return task.since(TaskTimes::step_of(before));
}

inline void Worker::stamp(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    task.stamp(TaskTimes::step_of(before) + 1, now);
}

/// A tracer hears of each task before it hears of the task's events.
/// @param before  its word before this hook
/// @param age_ns  how long it was in the state that it leaves; 0 = unknown
inline void Worker::introduce(TaskTimes& task, std::uint64_t before, std::uint64_t age_ns) noexcept {
    if (!task.told_since(generation_)) [[unlikely]]
        tell_task(task, before, age_ns);
}

/// With metrics on.
inline void Worker::count(TaskTimes& task, std::uint64_t before, Move move) noexcept {
    if ((on_ & kForked) != 0 && task.tid_ < core_->process.first_own_tid())
        count_inherited(task, before, move);
    else
        shard_.count(number(TaskTimes::state_of(before)), move);
}

/// The gauges of a forked child never saw an inherited task come into a state: it must not leave one where it is not
/// counted.
void Worker::count_inherited(TaskTimes& task, std::uint64_t before, Move move) noexcept {
    using From = InheritedMark::From;
    std::size_t from = kInherited;
    if (const std::uint8_t fork = core_->inherits.load(std::memory_order_relaxed); fork != 0) {
        const From counted = InheritedMark{task.inherited_, fork}.move(TaskTimes::step_of(before));
        if (counted == From::before) from = number(TaskTimes::state_of(before));
        if (counted == From::nowhere) add(shard_.inherited[number(state_after(move))], 1);
    }
    shard_.count(from, move);
}

std::uint64_t Worker::count(TaskEvent event) const noexcept {
    std::uint64_t total = 0;
    shard_.for_each_move(
        [&](std::size_t, Move move, std::uint64_t times) { total += task_event(move) == event ? times : 0; });
    return total;
}

// ---- transitions ----
//
// Most workers have metrics and nothing else, on a machine with a TSC: the hooks ask for that first. What they do
// otherwise is in functions of their own, not inlined: the short way calls nothing then, and saves no registers.
//
// Those that each run calls begin at a cache line of their own. Where the linker happened to put them decided else,
// from build to build, whether what follows a clock read could overlap with it: 9 or 14 ns.
constexpr std::size_t kLine = 64;

void Worker::on_spawned(TaskTimes& task, std::uint64_t parent, Stamp at) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = moment(at);
    task.stamp(task.step(), now);
    if ((on_ & kMetrics) != 0)
        count(task, 0, task.state() == TaskState::Waiting ? Move::SpawnedWaiting : Move::Spawned);
    if ((on_ & kTracers) == 0) return;
    task.generation_.store(generation_, std::memory_order_relaxed);
    auto event = event_of<tiffany_task_spawned>(task);
    event.state = number(task.state());
    copy_text(event.name, task.name_);
    copy_site(event.site, task.file_, task.line_);
    event.priority = task.priority_;
    event.group = task.group_;
    event.parent = parent;
    fire(EventId::TaskSpawned, event, now);
}

/// Returns when: not before it began to wait, though whoever woke it may have taken his stamp before that.
inline std::uint64_t Worker::become_ready(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    task.waiting_since_ = stamp_of(task, before);
    if (task.waiting_since_ != 0 && static_cast<std::int64_t>(now - task.waiting_since_) < 0) now = task.waiting_since_;
    stamp(task, before, now);
    return now;
}

void Worker::on_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause, std::uint64_t waker,
                      std::uint64_t late_ns) noexcept {
    const std::uint64_t now = on_ == kMetrics ? quick_moment(at) : 0;
    if (now == 0) [[unlikely]] {
        tell_ready(task, before, at, cause, waker, late_ns);
        return;
    }
    become_ready(task, before, now);
    shard_.count(number(TaskTimes::state_of(before)), Move::Ready);
}

void Worker::tell_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause, std::uint64_t waker,
                        std::uint64_t late_ns) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = become_ready(task, before, moment(at));
    if ((on_ & kMetrics) != 0) count(task, before, Move::Ready);
    if ((on_ & kTracers) == 0) return;
    introduce(task, before, task.waiting_since_ == 0 ? 0 : clock_->to_ns(now - task.waiting_since_));
    fire_filled<tiffany_task_ready>(EventId::TaskReady, now, task, [=](tiffany_task_ready& event) {
        event.cause = number(cause);
        event.waker = waker;
        event.late_ns = late_ns;
    });
}

inline Worker::Delays Worker::begin_run(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    Delays delays{0, 0};
    if (const std::uint64_t since = stamp_of(task, before); since != 0) [[likely]] {
        delays.ready_ns = clock_->to_ns(now - since);
        if (TaskTimes::waited_of(before) != WaitKind::none && task.waiting_since_ != 0)
            delays.wait_ns = clock_->to_ns(now - task.waiting_since_);
    }
    stamp(task, before, now);
    return delays;
}

inline void Worker::observe(const TaskTimes& task, WaitKind waited, Delays delays) noexcept {
    GroupShard& group = shard_.group(task.group_);
    if (delays.ready_ns != 0) [[likely]]
        group.ready.observe(core_->ready_bounds, delays.ready_ns);
    if (delays.wait_ns != 0) group.wait[number(waited)].observe(core_->wait_bounds, delays.wait_ns);
}

/// For others that look at it: what runs here, and since when. With metrics or a watch.
inline void Worker::keep_run(const TaskTimes& task, std::uint64_t now) noexcept {
    if ((on_ & kWatched) != 0) {
        shard_.running_since.store(0, std::memory_order_relaxed);
        // release: who sees this tid sees that the run before it is over
        shard_.running_tid.store(task.tid_, std::memory_order_release);
    }
    // release: who sees the begin sees the tid
    shard_.running_since.store(now, std::memory_order_release);
}

/// The watch begins or ends: what is kept of a run from now on is whole, and what was kept is no later run's.
void Worker::forget_run() noexcept {
    if (!core_->metrics) shard_.running_since.store(0, std::memory_order_relaxed);
    shard_.running_tid.store(0, std::memory_order_release);
}

[[gnu::aligned(kLine)]] void Worker::on_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept {
    const std::uint64_t now = on_ == kMetrics ? quick_moment(at) : 0;
    if (now == 0) [[unlikely]] {
        tell_running(task, before, at);
        return;
    }
    shard_.count(number(TaskTimes::state_of(before)), Move::Running);
    observe(task, TaskTimes::waited_of(before), begin_run(task, before, now));
    shard_.running_since.store(now, std::memory_order_relaxed);
}

void Worker::tell_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = moment(at);
    const WaitKind waited = TaskTimes::waited_of(before);
    const Delays delays = begin_run(task, before, now);
    if ((on_ & kMetrics) != 0) {
        count(task, before, Move::Running);
        observe(task, waited, delays);
    }
    if ((on_ & (kMetrics | kWatched)) != 0) keep_run(task, now);
    if ((on_ & kTracers) == 0) return;
    introduce(task, before, delays.ready_ns);
    fire_filled<tiffany_task_running>(EventId::TaskRunning, now, task, [=](tiffany_task_running& event) {
        event.ready_ns = delays.ready_ns;
        event.wait_ns = delays.wait_ns;
        event.waited = number(waited);
    });
}

/// Returns the length of the run that ends, 0 if its begin was not seen.
inline std::uint64_t Worker::end_run(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    std::uint64_t run_ns = 0;
    if (const std::uint64_t since = stamp_of(task, before); since != 0) [[likely]]
        run_ns = clock_->to_ns(now - since);
    stamp(task, before, now);
    return run_ns;
}

inline void Worker::observe_run(const TaskTimes& task, std::uint64_t run_ns) noexcept {
    shard_.running_since.store(0, std::memory_order_relaxed);
    if (run_ns != 0) [[likely]]
        shard_.group(task.group_).run.observe(core_->run_bounds, run_ns);
}

/// A run ends at a known moment, with metrics on and nothing else.
[[gnu::aligned(kLine)]] void Worker::measure_run(TaskTimes& task, std::uint64_t before, std::uint64_t now,
                                                 Move move) noexcept {
    shard_.count(number(TaskTimes::state_of(before)), move);
    observe_run(task, end_run(task, before, now));
}

/// The same, whatever is on.
inline std::uint64_t Worker::end_told_run(TaskTimes& task, std::uint64_t before, std::uint64_t now,
                                          Move move) noexcept {
    const std::uint64_t run_ns = end_run(task, before, now);
    last_run_ns_ = run_ns;
    last_state_ = task.state();
    if ((on_ & kMetrics) != 0) {
        count(task, before, move);
        observe_run(task, run_ns);
    } else if ((on_ & kWatched) != 0) {
        shard_.running_since.store(0, std::memory_order_relaxed);
    }
    return run_ns;
}

/// What all events that end a run have in common; `own` sets the fields that are the event's own.
template <typename Event, typename Own>
inline void Worker::end_run_with(Move move, TaskTimes& task, std::uint64_t before, Stamp at, const Own& own) noexcept {
    const std::uint64_t now = on_ == kMetrics ? quick_moment(at) : 0;
    if (now == 0) [[unlikely]] {
        tell_run<Event>(move, task, before, at, own);
        return;
    }
    measure_run(task, before, now, move);
}

template <typename Event, typename Own>
void Worker::tell_run(Move move, TaskTimes& task, std::uint64_t before, Stamp at, Own own) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = moment(at);
    const std::uint64_t run_ns = end_told_run(task, before, now, move);
    if ((on_ & kTracers) == 0) return;
    introduce(task, before, run_ns);
    // transitions have the same numbers
    fire_filled<Event>(static_cast<EventId>(task_event(move)), now, task, [&](Event& event) {
        event.run_ns = run_ns;
        own(event);
    });
}

void Worker::on_yield(TaskTimes& task, std::uint64_t before, Stamp at) noexcept {
    end_run_with<tiffany_task_yield>(Move::Yield, task, before, at, [](auto&) {});
}

void Worker::on_sleep(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t dur_ns) noexcept {
    end_run_with<tiffany_task_sleep>(Move::Sleep, task, before, at, [=](auto& event) { event.dur_ns = dur_ns; });
}

void Worker::on_iowait(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t io) noexcept {
    end_run_with<tiffany_task_iowait>(Move::IoWait, task, before, at, [=](auto& event) { event.io = io; });
}

void Worker::on_join(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t target) noexcept {
    end_run_with<tiffany_task_join>(Move::Join, task, before, at, [=](auto& event) { event.target = target; });
}

void Worker::on_wait(TaskTimes& task, std::uint64_t before, Stamp at, WaitReason reason,
                     std::uint64_t resource) noexcept {
    end_run_with<tiffany_task_wait>(Move::Wait, task, before, at, [=](auto& event) {
        event.reason = number(reason);
        event.resource = resource;
    });
}

void Worker::on_throttled(TaskTimes& task, std::uint64_t before, Stamp at, std::uint64_t park_ns) noexcept {
    end_run_with<tiffany_task_throttled>(park_ns == 0 ? Move::Throttled : Move::ThrottledParked, task, before, at,
                                         [=](auto& event) { event.park_ns = park_ns; });
}

void Worker::on_done(TaskTimes& task, std::uint64_t before, Stamp at) noexcept {
    end_run_with<tiffany_task_done>(Move::Done, task, before, at, [](auto&) {});
}

void Worker::on_failed(TaskTimes& task, std::uint64_t before, Stamp at, std::string_view error) noexcept {
    end_run_with<tiffany_task_failed>(Move::Failed, task, before, at,
                                      [=](auto& event) { copy_text(event.error, error); });
}

void Worker::on_cancelled(TaskTimes& task, std::uint64_t before, Stamp at, CancelCause cause,
                          std::uint64_t canceller) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = moment(at);
    const TaskState from = TaskTimes::state_of(before);
    const std::uint64_t since = stamp_of(task, before);
    std::uint64_t run_ns = 0;
    if (from == TaskState::Running)
        run_ns = end_told_run(task, before, now, Move::Cancelled);
    else if ((on_ & kMetrics) != 0)
        count(task, before, Move::Cancelled);
    if ((on_ & kTracers) == 0) return;
    introduce(task, before, since == 0 ? 0 : clock_->to_ns(now - since));
    auto event = event_of<tiffany_task_cancelled>(task);
    event.run_ns = run_ns;
    event.cause = number(cause);
    event.canceller = canceller;
    event.from_state = number(from);
    fire(EventId::TaskCancelled, event, now);
}

// ---- beside the transitions ----

void Worker::on_note(TaskTimes& task, std::string_view key, std::string_view value) noexcept {
    if ((on_ & kSpecial) != 0 && !enter_specially(seq())) return;
    if ((on_ & kTracers) == 0) return;
    const std::uint64_t now = clock_->ticks();
    const std::uint64_t word = task.word_.load(std::memory_order_relaxed);
    const std::uint64_t since = stamp_of(task, word);
    introduce(task, word, since == 0 ? 0 : clock_->to_ns(now - since));
    tiffany_note event;
    event.worker = id();
    event.tid = task.tid_;
    copy_text(event.key, key);
    copy_text(event.value, value);
    fire(EventId::Note, event, now);
}

// ---- the worker's own ----

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

void Worker::fire_started(std::uint64_t position) noexcept {
    if ((on_ & kTracers) == 0) return;
    tiffany_worker_started event;
    event.worker = id();
    copy_text(event.scheduler, core_->name);
    event.pid = core_->process.pid();
    event.thread = thread_;
    event.catalogue = catalogue::kVersion;
    event.seq = position;
    fire(EventId::WorkerStarted, event);
}

void Worker::fire_dump(std::uint64_t position, DumpPhase phase, std::uint64_t tasks) noexcept {
    tiffany_dump_worker event;
    event.worker = id();
    copy_text(event.scheduler, core_->name);
    event.pid = core_->process.pid();
    event.thread = thread_;
    event.catalogue = catalogue::kVersion;
    event.seq = position;
    event.on_seq = on_seq_;
    event.generation = generation_;
    event.phase = number(phase);
    event.tasks = tasks;
    fire(EventId::WorkerDumped, event);
}

void Worker::fire_task(const tiffany_dump_task& event) noexcept {
    fire(EventId::State, event);
}

void Worker::tell_group(std::uint16_t group, const char* name) noexcept {
    if ((on_ & kTracers) == 0) return;
    tiffany_scheduler_group event;
    event.worker = id();
    event.group = group;
    copy_text(event.name, name);
    fire(EventId::Group, event);
}

// ---- for SchedulerCore ----

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
bool Worker::tell_stall(const Stall& stall) noexcept {
    if ((on_ & kSpecial) != 0 && !enter_specially(seq())) return false;
    if ((on_ & kTracers) == 0) return false;
    tiffany_stalled event;
    event.worker = stall.worker_id;
    event.tid = stall.tid;
    event.run_ns = stall.run_ns;
    fire(EventId::Stalled, event);
    return true;
}

void Worker::start(bool has_loop) noexcept {
    thread_ = static_cast<std::uint32_t>(gettid());
    generation_ = core_->process.generation();
    on_ = has_loop ? 0 : kEveryHook;
    ticks_to_look_ = 1;
    make_on_word(seq());
    shard_.parked_at.store(0, std::memory_order_relaxed);
    shard_.thread.store(thread_, std::memory_order_relaxed);
    begin_busy_stretch(clock_->ticks());
    on_seq_ = seq() + 1;
    fire_started(seq());
    if (!has_loop || !finds_dump_open()) return;
    if ((on_ & kTracers) != 0)
        begin_dump(seq(), false);
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

void Worker::stop() noexcept {
    if (core_->metrics) end_busy_stretch(clock_->ticks());
    shard_.parked_at.store(0, std::memory_order_relaxed);
    shard_.running_since.store(0, std::memory_order_relaxed);  // who gives it back in a run will not end that run here
    shard_.running_tid.store(0, std::memory_order_release);
    if ((on_ & kTracers) == 0) return;
    tiffany_worker_stopped event;
    event.worker = id();
    event.seq = seq();
    fire(EventId::WorkerStopped, event);
}

void Worker::become_child(std::uint64_t instance, bool held) noexcept {
    id_.store((instance << 16) | (id() & 0xffff), std::memory_order_relaxed);
    seq_.store(0, std::memory_order_relaxed);
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
    busy_told_ns_ = run_delay_before_ns_ = run_delay_told_ns_ = 0;
    run_delay_known_ = false;
    on_seq_ = 1;
    thread_ = static_cast<std::uint32_t>(gettid());
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
