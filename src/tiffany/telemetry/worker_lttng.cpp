// Events go to LTTng, which may block, or be given up.

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>

#include "kernel_time.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {

using namespace detail;

namespace {

constexpr std::uint64_t kBlockedNs = 10'000'000;    // an LTTng call this long waited for its consumer: see ADR 0006
constexpr std::uint64_t kGiveUpNs = 2'000'000'000;  // so long in blocked calls in a row: the consumer is dead

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

// A channel in blocking mode waits for its consumer; when that is dead, it waits at every event, or for ever. An early
// return says that the consumer lives only where a channel was full before: in another one there may still be room.
void Worker::call_lttng_timed(EventId id, const void* event) noexcept {
    const std::uint64_t begin = kernel_ns();
    core_->process.lttng()->fire[static_cast<std::size_t>(id)](event);
    const std::uint64_t took = kernel_ns() - begin;
    if (took < kBlockedNs) {
        if ((blocked_kinds_ & kind_of(id)) == 0) return;
        blocked_ns_ = 0;
        blocked_kinds_ = 0;
        return;
    }
    blocked_ns_ += took;
    blocked_kinds_ |= kind_of(id);
    if (blocked_ns_ < kGiveUpNs) return;
    // the consumer serves all channels: neither transitions nor ticks call it any more
    if ((on_ & kLttng) != 0) on_ = (on_ & ~(kLttng | kMayBlock)) | kLeftOut;
    if ((on_ & kTickLttng) != 0) on_ = (on_ & ~kTickLttng) | kTickLeftOut;
}

}  // namespace tiffany
