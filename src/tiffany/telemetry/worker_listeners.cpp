// Who listens to a worker: keeping its on-word up to date.

#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/unseen.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "look_pace.hpp"
#include "pal_ring.hpp"
#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {

using namespace detail;

void Worker::look() noexcept {
    const std::uint64_t now_ns = core_->process.look(*clock_);
    ticks_per_look_ = ticks_to_look_ = ticks_until_look(ticks_per_look_, now_ns - looked_ns_);
    looked_ns_ = now_ns;
}

/// Takes up what is offered. Returns its bits.
std::uint32_t Worker::take_rings(std::uint64_t position) noexcept {
    std::uint32_t on = 0;
    for (std::size_t exit = 0; exit < kPalExits; ++exit) {
        // acquire: the ring is seen as it was made
        PalRing* const ring = offered_ring_[exit].load(std::memory_order_acquire);
        if (ring != nullptr && ring != ring_[exit]) ring->attach(id(), position);
        ring_[exit] = ring;
        if (ring != nullptr) on |= ring->takes_ticks() ? kPalBits[exit] | kTickPalBits[exit] : kPalBits[exit];
    }
    return on;
}

/// LTTng is on where it was given up, too.
static constexpr std::uint32_t with_left_out(std::uint32_t on) noexcept {
    return on | ((on & kLeftOut) != 0 ? kLttng : 0) | ((on & kTickLeftOut) != 0 ? kTickLttng : 0);
}

/// @param position  the last seq whose event has fired
void Worker::make_on_word(std::uint64_t position) noexcept {
    std::uint32_t on = on_ & (kEveryHook | kAnnounce);
    if (core_->metrics) on |= core_->process.first_own_tid() != 0 ? kMetrics | kForked : kMetrics;
    if (usdt_semaphore() != 0) on |= kUsdt;
    if (usdt_tick_semaphore() != 0) on |= kTickUsdt;
    if (const LttngTable* lttng = core_->process.lttng()) {
        // another listener that comes is no new session: who was given up stays so
        const std::uint32_t session = core_->process.lttng_sessions();
        if (session != session_) renew_patience(session);
        const bool given_up = patience_.is_over();
        const std::uint32_t calls = core_->process.lttng_may_block() ? kLttng | kMayBlock : kLttng;
        if (lttng->any_enabled()) on |= given_up ? kLeftOut : calls;
        if (lttng->any_tick_enabled()) on |= given_up ? kTickLeftOut : kTickLttng;
        lttng_fire_ = lttng->fire.data();
    }
    if (core_->stall_bound_ns.load(std::memory_order_relaxed) != 0) on |= kWatched;
    if (((on ^ on_) & kWatched) != 0) forget_run();
    on_ = on | take_rings(position);
    core_->process.found_off(~with_left_out(on_));
    // release: whoever sees it may free the ring that was used before
    made_for_.store(generation_, std::memory_order_release);
}

/// @param may_have_spawned  since the new generation began
/// @param at  known: of all that is told, and the clock is not read
void Worker::catch_up(std::uint64_t position, bool may_have_spawned, Stamp at) noexcept {
    generation_ = core_->process.generation();
    const bool had_lttng = (on_ & kLttng) != 0;
    make_on_word(position);
    if (!had_lttng && (on_ & kLttng) != 0) on_seq_ = position + 1;
    if ((on_ & kTracers) != 0)
        begin_dump(position, may_have_spawned, at);
    else if (core_->wants_inherited())
        join_dump(false);
}

void Worker::begin_dump(std::uint64_t position, bool may_have_spawned, Stamp at) noexcept {
    fire_dump(position, DumpPhase::begin, 0, at);
    core_->tell_groups(*this, generation_, at);
    join_dump(may_have_spawned);
}

void Worker::drop_what_is_off() noexcept {
    std::uint32_t off = 0;
    if ((on_ & kUsdt) != 0 && usdt_semaphore() == 0) off |= kUsdt;
    if ((on_ & kTickUsdt) != 0 && usdt_tick_semaphore() == 0) off |= kTickUsdt;
    const LttngTable* lttng = core_->process.lttng();
    if ((on_ & (kLttng | kLeftOut)) != 0 && !lttng->any_enabled()) off |= kLttng | kMayBlock | kLeftOut;
    if ((on_ & (kTickLttng | kTickLeftOut)) != 0 && !lttng->any_tick_enabled()) off |= kTickLttng | kTickLeftOut;
    if (off == 0) return;
    on_ &= ~off;
    core_->process.found_off(off);
}

/// In a forked child, before the first event there: nobody but a tracer that came through the fork knows this worker.
void Worker::announce(std::uint64_t position) noexcept {
    const Unseen unseen;
    on_ &= ~kAnnounce;
    core_->process.start_log();
    core_->keep_watching();
    on_ |= take_rings(position);
    fire_started(position);
}

}  // namespace tiffany
