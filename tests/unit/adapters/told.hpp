#pragma once
// What the adapters' tests ask of a recording.

#include <cstdint>
#include <stdexcept>
#include <tiffany/testing/recording.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::testing {

/// A value of a closed set, as a record has it.
template <typename Value>
constexpr std::uint64_t number(Value value) {
    return static_cast<std::uint64_t>(value);
}

inline bool is(const pal::Record& record, TaskEvent event) {
    return record.info->id == static_cast<EventId>(event);
}

/// The first step of that kind.
inline pal::Record step(const TaskLife& life, TaskEvent event) {
    for (const pal::Record& record : life.steps)
        if (is(record, event)) return record;
    throw std::out_of_range{"no such step"};
}

}  // namespace tiffany::testing
