#pragma once
/// Fires any event of the catalogue to whoever listens at this moment, past all workers. For tests of the exits: a
/// hook knows better what listens, and fires only its own.

#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

/// @param event  the event's struct, as event_structs.hpp declares it
/// Any thread. Cost: what each tracer costs. Loads the LTTng provider at the first call.
void fire(EventId id, const void* event) noexcept;

}  // namespace tiffany::detail
