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
    const std::uint32_t tracers = on_ & detail::kTracers;
    if (tracers == detail::kLttng && lttng_fire_ != nullptr) {
        Event event;
        set_head(event, task);
        fill(event);
        lttng_fire_[static_cast<std::size_t>(id)](&event);
        return;
    }
    for (std::size_t exit = 0; exit < detail::kPalExits; ++exit) {
        if (tracers != detail::kPalBits[exit]) continue;
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
    if (tracers == detail::kUsdt)
        detail::kUsdtProbes[static_cast<std::size_t>(id)](&event);
    else
        fire(id, event, now);
}

/// An event that is no transition: nobody has read the clock for it.
template <typename Event>
void Worker::fire(EventId id, const Event& event) noexcept {
    fire(id, event, (on_ & detail::kPalAny) != 0 ? clock_->ticks() : 0);
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
