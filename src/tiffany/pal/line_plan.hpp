#pragma once
/// What of an event's line is always the same: what LogWriter writes, and PlainLine knows again. Private to pal.

#include <cstddef>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany::pal {

struct LinePlan {
    /// One own field: where its value lies in a Record, and what comes before it in a line.
    struct OwnField {
        const catalogue::FieldInfo* info;
        std::size_t slot;  // in Record::numbers or Record::texts
        std::string key;   // `,"run_ns":`
    };

    const catalogue::EventInfo* info;
    bool has_seq = false, has_tid = false, has_step = false;
    std::string event;  // `,"event":"Park"`
    std::string kind;   // `,"kind":"begin"`, or empty
    std::vector<OwnField> own;
};

/// Of every event of the catalogue, by EventId.
std::vector<LinePlan> make_line_plans();

}  // namespace tiffany::pal
