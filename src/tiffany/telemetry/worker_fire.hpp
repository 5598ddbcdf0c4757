#pragma once
/// An event goes to all that listen to a worker. Private to telemetry.

#include <cstddef>
#include <cstdint>
#include <tiffany/telemetry/detail/on_word.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "pal_ring.hpp"

namespace tiffany {

namespace detail {

/// An enumeration as events have it.
template <typename Enum>
constexpr std::uint8_t number(Enum value) noexcept {
    return static_cast<std::uint8_t>(value);
}

}  // namespace detail

template <typename Event>
void Worker::fire(EventId id, const Event& event, std::uint64_t now) noexcept {
    for (std::size_t exit = 0; exit < detail::kPalExits; ++exit)
        if ((on_ & detail::kPalBits[exit]) != 0) ring_[exit]->push(id, now, &event, sizeof event);
    if ((on_ & detail::kUsdt) != 0) detail::kUsdtProbes[static_cast<std::size_t>(id)](&event);
    if ((on_ & (detail::kLttng | detail::kLeftOut)) != 0) fire_lttng(id, &event);
}

/// A transition. `fill` sets the fields that are the event's own; where only one ring wants it, in that ring. What one
/// listener alone costs is what most pay: it is asked for first.
template <typename Event, typename Fill>
inline void Worker::fire_filled(EventId id, std::uint64_t now, const TaskTimes& task, const Fill& fill) noexcept {
    const std::uint32_t tracers = on_ & (detail::kTracers | detail::kMayBlock);
    if constexpr (sizeof(Event) <= sizeof(detail::EventDraft)) {
        if (const Tracer tracer = sole_tracer(tracers); tracer != nullptr) {
            fill(draft<Event>());
            draft_.tid = task.tid_;
            draft_.step = task.step();
            tracer[static_cast<std::size_t>(id)](&draft_);
            return;
        }
    }
    if (detail::PalRing* const ring = sole_ring(tracers); ring != nullptr) {
        if (Event* const event = ring->begin<Event>(id); event != nullptr) {
            set_head(*event, task);
            fill(*event);
            ring->commit(event, now);
            return;
        }
    }
    auto event = event_of<Event>(task);
    fill(event);
    fire(id, event, now);
}

/// The next event, whose worker and seq are known.
template <typename Event>
inline Event& Worker::draft() noexcept {
    static_assert(sizeof(Event) <= sizeof(detail::EventDraft));
    static_assert(offsetof(Event, worker) == offsetof(detail::EventDraft, worker));
    static_assert(offsetof(Event, tid) == offsetof(detail::EventDraft, tid));
    static_assert(offsetof(Event, seq) == offsetof(detail::EventDraft, seq));
    static_assert(offsetof(Event, step) == offsetof(detail::EventDraft, step));
    return reinterpret_cast<Event&>(draft_);
}

/// If that is one tracer, which takes an event by pointer and never blocks; else null.
inline Worker::Tracer Worker::sole_tracer(std::uint32_t tracers) const noexcept {
    if (tracers == detail::kLttng) return lttng_fire_;
    if (tracers == detail::kUsdt) return detail::kUsdtProbes.data();
    return nullptr;
}

/// The ring that alone is listened to; else null.
inline detail::PalRing* Worker::sole_ring(std::uint32_t tracers) const noexcept {
    for (std::size_t exit = 0; exit < detail::kPalExits; ++exit)
        if (tracers == detail::kPalBits[exit]) return ring_[exit];
    return nullptr;
}

/// The short way of a transition, where one tracer or ring alone listens, no metrics, and knows the task: without calls
/// but the last, so that no register is saved. Returns false, and nothing is done, where it is not so.
/// @param measure  (now, event): stamps the task, sets the fields that are the event's own, and returns when it was
template <typename Event, typename Measure>
[[gnu::always_inline]] inline bool Worker::fire_at_once(EventId id, const TaskTimes& task, std::uint64_t before,
                                                        Stamp at, const Measure& measure) noexcept {
    if (task.generation_.load(std::memory_order_relaxed) != generation_) [[unlikely]]
        return false;
    const std::uint32_t on = on_ & ~detail::kDumping;  // which is a tick's business
    if constexpr (sizeof(Event) <= sizeof(detail::EventDraft)) {
        if (const Tracer tracer = sole_tracer(on); tracer != nullptr) {
            const std::uint64_t now = quick_moment(at);
            if (now == 0) [[unlikely]]
                return false;
            measure(now, draft<Event>());
            draft_.tid = task.tid_;
            draft_.step = TaskTimes::step_of(before) + 1;
            tracer[static_cast<std::size_t>(id)](&draft_);
            return true;
        }
    }
    detail::PalRing* const ring = sole_ring(on);
    if (ring == nullptr) return false;
    const std::uint64_t now = quick_moment(at);
    if (now == 0) [[unlikely]]
        return false;
    Event* const event = ring->begin<Event>(id);
    if (event == nullptr) [[unlikely]]
        return false;
    const std::uint64_t moment = measure(now, *event);
    event->worker = this->id();
    event->tid = task.tid_;
    event->seq = seq();
    event->step = TaskTimes::step_of(before) + 1;
    ring->commit(event, moment);
    return true;
}

/// An event that is no transition: nobody has read the clock for it, unless `at` is known.
template <typename Event>
void Worker::fire(EventId id, const Event& event, Stamp at) noexcept {
    fire(id, event, at.known() || (on_ & detail::kPalAny) == 0 ? at.ticks() : clock_->ticks());
}

template <typename Event>
void Worker::fire_tick(EventId id, const Event& event) noexcept {
    const std::uint64_t now = (on_ & detail::kTickPalAny) != 0 ? clock_->ticks() : 0;
    for (std::size_t exit = 0; exit < detail::kPalExits; ++exit)
        if ((on_ & detail::kTickPalBits[exit]) != 0) ring_[exit]->push(id, now, &event, sizeof event);
    if ((on_ & detail::kTickUsdt) != 0) detail::kUsdtProbes[static_cast<std::size_t>(id)](&event);
    if ((on_ & (detail::kTickLttng | detail::kTickLeftOut)) != 0) fire_lttng(id, &event);
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

}  // namespace tiffany
