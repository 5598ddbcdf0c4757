#pragma once
// How a C compiler lays out an event's struct on the machines that we run on: every number on a multiple of its size.

#include <algorithm>
#include <cstddef>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::catalogue {

inline std::size_t size_of(const FieldInfo& field) {
    return field.is_string() ? field.max_bytes + 1 : field.max_bytes;
}

/// The offset of each field, then the size of the whole struct.
inline std::vector<std::size_t> offsets(const EventInfo& event) {
    std::vector<std::size_t> result;
    std::size_t end = 0;
    std::size_t widest = 1;
    const auto round_up = [](std::size_t value, std::size_t step) { return (value + step - 1) / step * step; };
    for (const FieldInfo& field : event.fields) {
        const std::size_t alignment = field.is_string() ? 1 : size_of(field);
        const std::size_t offset = round_up(end, alignment);
        result.push_back(offset);
        end = offset + size_of(field);
        widest = std::max(widest, alignment);
    }
    result.push_back(round_up(end, widest));
    return result;
}

}  // namespace tiffany::catalogue
