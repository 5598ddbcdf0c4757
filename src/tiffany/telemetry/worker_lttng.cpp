// Events go to LTTng, which may block, or be given up.

#include <sched.h>
#include <unistd.h>

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>

#include "kernel_time.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {

using namespace detail;

namespace {

constexpr std::uint64_t kBlockedNs = 10'000'000;  // an LTTng call this long waited for its consumer: see ADR 0006

/// A worker's first or last: by them it is known how many events of it are missing.
constexpr bool is_word(EventId id) noexcept {
    return id == EventId::WorkerStarted || id == EventId::WorkerStopped;
}

/// Events that may have a channel of their own, as they have under `paltrace record`.
std::uint8_t kind_of(EventId id) noexcept {
    constexpr std::uint8_t kTransition = 1, kTick = 2, kOther = 4, kWord = 8;
    if (static_cast<std::size_t>(id) < kTransitions) return kTransition;
    if (is_word(id)) return kWord;
    return id == EventId::TickBegin || id == EventId::TickEnd ? kTick : kOther;
}

/// What an event takes of a ring, at most: strings are no longer than their arrays, and 24 bytes are enough for its
/// head and the padding.
std::uint64_t most_bytes(EventId id) noexcept {
    constexpr std::uint16_t kStructs[] = {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) sizeof(tiffany_task_##verb),
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) sizeof(tiffany_##verb),
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) sizeof(tiffany_tick_##verb),
#include <tiffany/tracepoints/task_events.def>
    };
    return kStructs[static_cast<std::size_t>(id)] + 24u;
}

}  // namespace

/// In a program that allows LTTng to block it.
void Worker::join_lttng_calls() noexcept {
    if (!core_->process.lttng_may_block()) return;
    if (lttng_call_ == nullptr) lttng_call_ = core_->process.lttng_calls().of(static_cast<std::uint16_t>(id()));
    if (lttng_call_ != nullptr) LttngCalls::join(*lttng_call_, static_cast<pid_t>(thread_));
}

/// The calling thread tells its last word for the one that has it.
void Worker::lend_lttng_call() noexcept {
    polls_ = {};  // those are another thread's
    // what it and what words have waited for is of one session
    if (const std::uint32_t session = core_->process.lttng_sessions(); session != session_) renew_patience(session);
    if (lttng_call_ != nullptr) lttng_call_->thread.store(gettid(), std::memory_order_relaxed);
}

/// It waits for LTTng's consumer as one that begins in this session does: not at all, if that was found dead.
void Worker::renew_patience(std::uint32_t session) noexcept {
    session_ = session;
    patience_ = {};
    if (core_->process.dead_consumer().is_found(session)) patience_.give_up();
}

void Worker::fire_lttng(EventId id, const void* event) noexcept {
    const bool given_up = (on_ & (kLeftOut | kTickLeftOut)) != 0;
    // words are told by who has given up, too, until those of all workers together have waited for long
    if (is_word(id) ? core_->process.dead_consumer().takes_no_word(session_) : given_up) {
        leave_out_of_lttng();
    } else if (core_->process.lttng_may_block()) {
        call_lttng_timed(id, event);
    } else {
        core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    }
}

// A channel in blocking mode waits for its consumer; when that is dead, it waits at every event, or for ever.
void Worker::call_lttng_timed(EventId id, const void* event) noexcept {
    if (lttng_call_ != nullptr && !core_->process.lttng_calls().enter(*lttng_call_, most_bytes(id), patience_)) {
        give_up_if_over();
        // who tells how many are missing calls all the same
        if (!is_word(id)) return leave_out_of_lttng();
        core_->process.lttng_calls().begin(*lttng_call_);
    }
    const LttngPatience::Ring ring{sched_getcpu(), kind_of(id)};
    const std::uint64_t begin = kernel_ns();
    polls_.prepare(begin);
    core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    if (lttng_call_ != nullptr) LttngCalls::leave(*lttng_call_);
    const std::uint64_t end = kernel_ns();
    if (end - begin < kBlockedNs) {
        // on another CPU by now: in the ring of which one it found room is not known
        if (patience_.is_tried() && sched_getcpu() == ring.cpu && patience_.came_early(ring) && !patience_.is_tried())
            core_->process.dead_consumer().is_alive();  // a longer wait than that one would speak against it
    } else if (const std::uint64_t waited = polls_.most_ns(begin, end); waited != 0) {
        patience_.waited(ring, waited);
        give_up_if_over();
        if (is_word(id)) core_->process.dead_consumer().word_waited(waited);
    }
}

/// The consumer serves all channels: neither transitions nor ticks call it any more.
void Worker::give_up_if_over() noexcept {
    if (!patience_.is_over()) return;
    core_->process.dead_consumer().found(session_);
    if ((on_ & kLttng) != 0) on_ = (on_ & ~(kLttng | kMayBlock)) | kLeftOut;
    if ((on_ & kTickLttng) != 0) on_ = (on_ & ~kTickLttng) | kTickLeftOut;
}

void Worker::leave_out_of_lttng() noexcept {
    lttng_left_out_.store(lttng_left_out() + 1, std::memory_order_relaxed);
}

}  // namespace tiffany
