// The hooks: what they do when something listens.

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

#include "inherited.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"
#include "text.hpp"
#include "worker_fire.hpp"
#include "worker_times.hpp"

namespace tiffany {

using namespace detail;

namespace {

constexpr std::uint64_t kTidBlock = 1024;  // tids that a worker takes at once

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

void Worker::on_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause, std::uint64_t waker,
                      std::uint64_t late_ns) noexcept {
    if (on_ != kMetrics) return trace_ready(task, before, at, cause, waker, late_ns);
    const std::uint64_t now = quick_moment(at);
    if (now == 0) [[unlikely]]
        return tell_ready(task, before, at, cause, waker, late_ns);
    become_ready(task, before, now);
    shard_.count(number(TaskTimes::state_of(before)), Move::Ready);
}

void Worker::trace_ready(TaskTimes& task, std::uint64_t before, Stamp at, WakeCause cause, std::uint64_t waker,
                         std::uint64_t late_ns) noexcept {
    const auto measure = [&](std::uint64_t now, tiffany_task_ready& event) {
        event.cause = number(cause);
        event.waker = waker;
        event.late_ns = late_ns;
        return become_ready(task, before, now);
    };
    if (!fire_at_once<tiffany_task_ready>(EventId::TaskReady, task, before, at, measure))
        tell_ready(task, before, at, cause, waker, late_ns);
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

inline void Worker::observe(const TaskTimes& task, WaitKind waited, Delays delays) noexcept {
    if (delays.wait_ns != 0) {
        observe_both(task, waited, delays);
        return;
    }
    if (delays.ready_ns != 0) [[likely]]
        shard_.pending.replace(shard_.group(task.group_).ready.add_to_sum(core_->ready_bounds, delays.ready_ns));
}

void Worker::observe_both(const TaskTimes& task, WaitKind waited, Delays delays) noexcept {
    GroupShard& group = shard_.group(task.group_);
    shard_.pending.replace(group.ready.add_to_sum(core_->ready_bounds, delays.ready_ns));
    shard_.pending_waits.replace(group.wait[number(waited)].add_to_sum(core_->wait_bounds, delays.wait_ns));
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
    if (on_ != kMetrics) return trace_running(task, before, at);
    const std::uint64_t now = quick_moment(at);
    if (now == 0) [[unlikely]]
        return tell_running(task, before, at);
    shard_.count(number(TaskTimes::state_of(before)), Move::Running);
    shard_.running_since.store(now, std::memory_order_relaxed);
    observe(task, TaskTimes::waited_of(before), begin_run(task, before, now));
}

void Worker::trace_running(TaskTimes& task, std::uint64_t before, Stamp at) noexcept {
    const auto measure = [&](std::uint64_t now, tiffany_task_running& event) {
        const Delays delays = begin_run(task, before, now);
        event.ready_ns = delays.ready_ns;
        event.wait_ns = delays.wait_ns;
        event.waited = number(TaskTimes::waited_of(before));
        return now;
    };
    if (!fire_at_once<tiffany_task_running>(EventId::TaskRunning, task, before, at, measure))
        tell_running(task, before, at);
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

inline void Worker::observe_run(const TaskTimes& task, std::uint64_t run_ns) noexcept {
    shard_.running_since.store(0, std::memory_order_relaxed);
    if (run_ns != 0) [[likely]]
        shard_.pending.replace(shard_.group(task.group_).run.add_to_sum(core_->run_bounds, run_ns));
}

/// A run ends at a known moment, with metrics on and nothing else.
[[gnu::aligned(kLine)]] void Worker::measure_run(TaskTimes& task, std::uint64_t before, std::uint64_t now,
                                                 Move move) noexcept {
    shard_.count(number(TaskTimes::state_of(before)), move);
    observe_run(task, end_run(task, before, now));
}

/// The same, whatever is on. Always inlined: as a call it saves what its caller has just saved.
[[gnu::always_inline]] inline std::uint64_t Worker::end_told_run(TaskTimes& task, std::uint64_t before,
                                                                 std::uint64_t now, Move move) noexcept {
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
    if (on_ != kMetrics) return trace_run<Event>(move, task, before, at, own);
    const std::uint64_t now = quick_moment(at);
    if (now == 0) [[unlikely]]
        return tell_run<Event>(move, task, before, at, own);
    measure_run(task, before, now, move);
}

template <typename Event, typename Own>
void Worker::trace_run(Move move, TaskTimes& task, std::uint64_t before, Stamp at, Own own) noexcept {
    const auto measure = [&](std::uint64_t now, Event& event) {
        event.run_ns = end_run(task, before, now);
        own(event);
        return now;
    };
    // transitions have the same numbers
    if (!fire_at_once<Event>(static_cast<EventId>(task_event(move)), task, before, at, measure))
        tell_run<Event>(move, task, before, at, own);
}

template <typename Event, typename Own>
void Worker::tell_run(Move move, TaskTimes& task, std::uint64_t before, Stamp at, Own own) noexcept {
    if (!enter_hook()) return;
    const std::uint64_t now = moment(at);
    const std::uint64_t run_ns = end_told_run(task, before, now, move);
    if ((on_ & kTracers) == 0) return;
    introduce(task, before, run_ns);
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

}  // namespace tiffany
