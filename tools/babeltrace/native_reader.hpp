#pragma once
/// Reads a plain CTF 1.8 trace without babeltrace2: as lttng-ust 2.11 or later writes it, and whole.
///
/// What it gives is what babeltrace2 and Decoder give, in the same order. It errs on the side of caution: whatever is
/// odd or damaged is NotPlain, and by then at most the first part of what babeltrace2 gives has been given.

#include <functional>
#include <string>
#include <string_view>

#include "event_plan.hpp"
#include "trace_facts.hpp"

namespace tiffany::ctf {

/// What a reader noticed beside the records.
struct Leftovers {
    Counts unknown_events;             ///< of provider tiffany: name -> how many
    Counts unknown_fields;             ///< "task_sleep.colour" -> how many
    std::uint64_t ticks_left_out = 0;  ///< events of ticks, when nobody asked for them
};

/// @param text         the metadata of the trace in `directory`, out of its packets
/// @param ticks        take the scheduler's ticks too
/// @param on_progress  called now and then
/// Memory: a piece of each stream is mapped; it does not grow with events.
/// Errors: NotPlain.
Leftovers read_plain_trace(const std::string& directory, std::string_view text, bool ticks, TraceSink& sink,
                           const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
