// State dumps: what is told of tasks that were there before the tracer; and in a forked child what its gauges count of
// those that were there before it.

#include <algorithm>
#include <array>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/task_list.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <utility>

#include "dump_turn.hpp"
#include "inherited.hpp"
#include "kernel_time.hpp"
#include "pal_ring.hpp"
#include "scheduler_core.hpp"
#include "text.hpp"

namespace tiffany {

using namespace detail;

namespace {

/// Tasks that are copied while the runtime holds its lock; they are told after it.
constexpr std::size_t kPart = 32;
constexpr std::uint64_t kStuckNs = 1'000'000'000;

void describe(tiffany_dump_task& event, const TaskTimes& task) noexcept {
    event.tid = task.tid();
    copy_text(event.name, task.name());
    copy_site(event.site, task.site().file, task.site().line);
    event.priority = task.priority();
    event.group = task.group();
}

constexpr bool is_live(TaskState state) noexcept {
    return state != TaskState::None && state != TaskState::Finished && state != TaskState::Failed &&
           state != TaskState::Cancelled;
}

}  // namespace

// ---- taking ----

TaskTaker::TaskTaker(tiffany_dump_task* events, std::size_t room, std::uint64_t worker, std::uint32_t generation,
                     const Clock& clock, Worker* heir) noexcept
    : events_{events},
      room_{room},
      worker_{worker},
      generation_{generation},
      clock_{clock},
      heir_{heir},
      now_{clock.ticks()} {}

void TaskTaker::take(TaskTimes& task) noexcept {
    if (!wants_more()) return;
    ++seen_;
    if (heir_ != nullptr) heir_->list_inherited(task);
    if (events_ == nullptr || task.told_since(generation_)) return;
    const TaskTimes::Seen seen = task.look();
    const TaskState state = TaskTimes::state_of(seen.word);
    if (!is_live(state) || !task.begin_telling(generation_)) return;
    tiffany_dump_task& event = events_[taken_++];
    describe(event, task);
    event.worker = worker_;
    event.step = TaskTimes::step_of(seen.word);
    event.state = static_cast<std::uint8_t>(state);
    event.waited = static_cast<std::uint8_t>(TaskTimes::waited_of(seen.word));
    event.age_ns = seen.since == 0 ? 0 : clock_.to_ns(now_ - seen.since);
}

// ---- a worker's part ----

/// A generation is new to this worker.
/// @param may_have_spawned  since the generation began
void Worker::join_dump(bool may_have_spawned) noexcept {
    // without a list, or a loop: each task is told of before its next event, and the dump has no end
    if (core_->task_list.load(std::memory_order_acquire) == nullptr || (on_ & kEveryHook) != 0) return;
    DumpTurn& turn = core_->dump_turn;
    const bool is_open = turn.is_behind(generation_);
    lists_ = !is_open && may_have_spawned && turn.come_late(generation_);
    if (!is_open && !lists_) return;
    on_ |= kDumping;
    dumped_ = 0;
    dump_due_ns_ = 0;
    stuck_since_ns_ = 0;
    if (lists_) begin_pass();
}

/// In a tick, or before it parks: of those that noticed the generation, the first to come so far. It ticks, while
/// another may be in a long run.
bool Worker::takes_dump_turn() noexcept {
    if (lists_) return true;
    lists_ = core_->dump_turn.claim(generation_);
    if (lists_)
        begin_pass();
    else
        on_ &= ~kDumping;
    return lists_;
}

void Worker::begin_pass() noexcept {
    dump_cursor_ = 0;
    dump_late_ = core_->dump_turn.late();
}

/// In a tick, or before it parks. It has told of the generation.
void Worker::dump_some() noexcept {
    const bool tells = (on_ & kTracers) != 0;
    const bool counts = core_->wants_inherited();
    if (!tells && !counts) {  // nobody listens any more; who comes next begins another generation
        on_ &= ~kDumping;
        return;
    }
    if (!takes_dump_turn()) return;
    const std::uint64_t now_ns = kernel_ns();  // what the pause is for, buffers and their consumers, lives by that
    if (now_ns < dump_due_ns_) return;
    TaskList* const list = core_->task_list.load(std::memory_order_acquire);
    if (list == nullptr) {  // the runtime has taken it back
        core_->inherited_listed.store(true, std::memory_order_relaxed);
        abandon_dump();
        return;
    }
    std::array<tiffany_dump_task, kPart> events;
    std::uint64_t told = 0;
    for (std::uint64_t part = 0; part < kDumpPerTick / kPart; ++part) {
        if (dump_cursor_ != TaskList::kEnd) {
            // half of a ring is for the transitions
            std::size_t room = kPart;
            for (std::size_t exit = 0; exit < kPalExits; ++exit)
                if ((on_ & kPalBits[exit]) != 0)
                    room = std::min(room, ring_[exit]->fit_in_half(sizeof(tiffany_dump_task)));
            if (room == 0) break;
            TaskTaker taker{tells ? events.data() : nullptr, room, id(), generation_, *clock_, counts ? this : nullptr};
            const std::uint64_t cursor = std::exchange(dump_cursor_, list->list(dump_cursor_, taker));
            for (std::size_t i = 0; i < taker.taken_; ++i)
                fire_task(events[i]);
            told += taker.taken_;
            if (dump_cursor_ != TaskList::kEnd) {
                if (tells || !is_stuck(taker.seen_ != 0 || dump_cursor_ != cursor, now_ns)) continue;
                abandon_dump();
                return;
            }
            core_->inherited_listed.store(true, std::memory_order_relaxed);
        }
        if (core_->dump_tellers.any()) break;
        if (ends_dump(dumped_ + told)) return;
    }
    dumped_ += told;
    dump_due_ns_ = now_ns + told * kDumpTaskNs;
}

/// Each task was gone over, and each that was passed over has been told of. Returns false if they are to be gone over
/// once more.
bool Worker::ends_dump(std::uint64_t told) noexcept {
    const DumpTurn::Pass pass = core_->dump_turn.finish(generation_, dump_late_);
    if (pass == DumpTurn::Pass::again) {
        begin_pass();
        return false;
    }
    on_ &= ~kDumping;
    // of what was passed over because the later dump has it, this one cannot say that it was told
    if (pass == DumpTurn::Pass::last) fire_dump(seq(), DumpPhase::end, told);
    return true;
}

/// It has no end.
void Worker::abandon_dump() noexcept {
    on_ &= ~kDumping;
    core_->dump_turn.abandon(generation_);
}

/// In a forked child the lock behind the list may be held for ever, by a thread that is not there: an idle worker does
/// not try again and again. (For a tracer it does: what a dump lacks is told by its missing end.)
bool Worker::is_stuck(bool went_on, std::uint64_t now_ns) noexcept {
    if (went_on || stuck_since_ns_ == 0) stuck_since_ns_ = went_on ? 0 : now_ns;
    return stuck_since_ns_ != 0 && now_ns - stuck_since_ns_ > kStuckNs;
}

/// A task that is listed: the gauges of a forked child count it from now on, unless they do already.
void Worker::list_inherited(TaskTimes& task) noexcept {
    if (task.tid() >= core_->process.first_own_tid()) return;
    const std::uint64_t word = task.word_.load(std::memory_order_relaxed);
    const TaskState state = TaskTimes::state_of(word);
    if (!is_live(state)) return;
    InheritedMark mark{task.inherited_, core_->inherits.load(std::memory_order_relaxed)};
    if (mark.list(TaskTimes::step_of(word))) add(shard_.inherited[static_cast<std::size_t>(state)], 1);
}

/// A task that no dump has told of, just before its event: in the state that it leaves.
void Worker::tell_task(TaskTimes& task, std::uint64_t before, std::uint64_t age_ns) noexcept {
    const DumpTellers::Turn turn{core_->dump_tellers};
    if (!task.begin_telling(generation_)) return;       // by now who lists tells of it
    if (!is_live(TaskTimes::state_of(before))) return;  // the caller's mistake, which the event itself shows
    tiffany_dump_task event;
    describe(event, task);
    event.worker = id();
    event.step = TaskTimes::step_of(before);
    event.state = static_cast<std::uint8_t>(TaskTimes::state_of(before));
    event.waited = static_cast<std::uint8_t>(TaskTimes::waited_of(before));
    event.age_ns = age_ns;
    if ((on_ & kDumping) != 0) ++dumped_;
    fire_task(event);
}

}  // namespace tiffany
