// Events go to LTTng, which may block, or be given up.

#include <sched.h>

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>

#include "kernel_time.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {

using namespace detail;

namespace {

constexpr std::uint64_t kBlockedNs = 10'000'000;  // an LTTng call this long waited for its consumer: see ADR 0006

/// Events that may have a channel of their own, as they have under `paltrace record`.
std::uint8_t kind_of(EventId id) noexcept {
    constexpr std::uint8_t kTransition = 1, kTick = 2, kOther = 4;
    if (static_cast<std::size_t>(id) < kTransitions) return kTransition;
    return id == EventId::TickBegin || id == EventId::TickEnd ? kTick : kOther;
}

}  // namespace

void Worker::fire_lttng(EventId id, const void* event) noexcept {
    // The last word of a worker tells how many are missing: it costs one time-out at most, at the worker's end.
    if ((on_ & (kLeftOut | kTickLeftOut)) != 0 && id != EventId::WorkerStopped) {
        lttng_left_out_.store(lttng_left_out() + 1, std::memory_order_relaxed);
    } else if (core_->process.lttng_may_block()) {
        call_lttng_timed(id, event);
    } else {
        core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    }
}

// A channel in blocking mode waits for its consumer; when that is dead, it waits at every event, or for ever.
void Worker::call_lttng_timed(EventId id, const void* event) noexcept {
    const LttngPatience::Ring ring{sched_getcpu(), kind_of(id)};
    const std::uint64_t begin = kernel_ns();
    core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    const std::uint64_t took = kernel_ns() - begin;
    if (took < kBlockedNs) {
        // on another CPU by now: in the ring of which one it found room is not known
        if (patience_.is_tried() && sched_getcpu() == ring.cpu) patience_.came_early(ring);
        return;
    }
    patience_.waited(ring, took);
    if (!patience_.is_over()) return;
    // the consumer serves all channels: neither transitions nor ticks call it any more
    if ((on_ & kLttng) != 0) on_ = (on_ & ~(kLttng | kMayBlock)) | kLeftOut;
    if ((on_ & kTickLttng) != 0) on_ = (on_ & ~kTickLttng) | kTickLeftOut;
}

}  // namespace tiffany
