#pragma once
/// From an event's struct, as a hook fired it, to a record.

#include <cstddef>
#include <tiffany/pal/record.hpp>

namespace tiffany::detail {

/// Fills all of `record` but ts, host and pid (which is set if the event tells it). Allocates only while the record's
/// strings still grow.
/// @param event  the event's struct, as event_structs.hpp declares it
void decode_event(const catalogue::EventInfo& info, const std::byte* event, pal::Record& record);

}  // namespace tiffany::detail
