// docs/events.md.

#include <cctype>
#include <string>

#include "layout.hpp"
#include "products.hpp"

namespace tiffany::catalogue {
namespace {

constexpr std::string_view kPageOpening =
    R"(<!-- Made from tracepoints/task_events.def by tiffany-catalogue; do not edit. -->
# The events

    lttng list -u -f | grep tiffany     # in a session where an instrumented program runs

Every event exists twice: as an LTTng tracepoint, and as a USDT probe that bpftrace can attach to. Both are made from one
entry in `tracepoints/task_events.def`, and so is this page.
)";

constexpr std::string_view kTransitions = R"(
## Transitions

`tiffany:task_*` is exactly these. Each begins with four fields, u64: `worker` (48 random bits of the process, the
*instance*, and 16 bits of the worker's index), `tid` (the task, unique in its instance), `seq` (counts the transitions of
this worker without gaps) and `step` (counts the transitions of this task, from 1). The probe's arguments are these four,
the event's first own number, and a pointer to the whole struct (`tiffany_bpf.h`).
)";

/// A link to the heading of that name: those who show pages make it of small letters.
std::string link(std::string_view name) {
    std::string anchor{name};
    for (char& c : anchor)
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return "[" + std::string{name} + "](#" + anchor + ")";
}

constexpr std::string_view kOthers = R"(
## Beside the transitions

Not counted in `seq`. The probe's arguments are the event's first five numbers and the pointer to its struct.
)";

constexpr std::string_view kTicks = R"(
## Ticks

The span of the scheduler's loop, one iteration each: a provider of its own, so that `tiffany:*` stays cheap.
)";

constexpr std::string_view kSets = R"(
## Closed sets

Enumerations in LTTng, so that babeltrace2 prints their names; numbers in the probes.
)";

std::string states(const StateSet& set) {
    std::string result;
    for (const EnumValue& value : enumeration("task_state").values)
        if (set.has(static_cast<TaskState>(value.number))) {
            if (!result.empty()) result += ", ";
            result += value.label == "None" ? "-" : value.label;
        }
    return result;
}

std::string type(const FieldInfo& field) {
    if (field.is_string()) return "string, at most " + std::to_string(field.max_bytes) + " bytes";
    if (field.enumeration != nullptr) return "u8, " + link(field.enumeration->name);
    return "u" + std::to_string(field.max_bytes * 8);
}

bool comes_first_in_all(const EventInfo& event, const FieldInfo& field) {
    return event.is_transition() && field.role != FieldRole::own;
}

void print_event(std::ostream& out, const EventInfo& event) {
    out << "\n### " << event.name << "\n\n"
        << event.meaning << ".\n\n"
        << "- tracepoint `" << event.provider << ':' << event.tracepoint << "`, level " << event.level << "; probe `"
        << event.provider << ':' << event.probe << "`; struct `" << event.struct_name << "`\n";
    if (event.is_transition()) {
        out << "- state: " << states(event.from) << " -> " << states(event.to) << '\n';
    } else {
        out << "- in a PAL log: `\"event\":\"" << event.record << '"';
        if (!event.kind.empty()) out << ",\"kind\":\"" << event.kind << '"';
        out << "`\n";
    }
    out << "\n| field | type | meaning |\n|---|---|---|\n";
    for (const FieldInfo& field : event.fields)
        if (!comes_first_in_all(event, field))
            out << "| `" << field.name << "` | " << type(field) << " | " << field.meaning << " |\n";
}

void print_summary_row(std::ostream& out, const EventInfo& event) {
    out << "| " << link(event.name) << " | `" << event.tracepoint << "` | `" << event.probe << "` | "
        << states(event.from) << " -> " << states(event.to) << " | " << event.meaning << " |\n";
}

}  // namespace

void print_events_page(std::ostream& out) {
    out << kPageOpening << "\nCatalogue version " << kVersion << ".\n" << kTransitions;
    out << "\n| event | LTTng `tiffany:` | USDT `tiffany:` | from -> to | meaning |\n|---|---|---|---|---|\n";
    for (const EventInfo& event : events())
        if (event.is_transition()) print_summary_row(out, event);
    std::string_view section;
    for (const EventInfo& event : events()) {
        const std::string_view wanted = event.is_transition()         ? std::string_view{}
                                        : event.provider == "tiffany" ? kOthers
                                                                      : kTicks;
        if (wanted != section) out << wanted;
        section = wanted;
        print_event(out, event);
    }
    out << kSets;
    for (const EnumInfo& info : enumerations()) {
        out << "\n### " << info.name << "\n\n" << info.meaning << ":";
        const char* comma = " ";
        for (const EnumValue& value : info.values) {
            out << comma << int{value.number} << " `" << value.label << '`';
            comma = ", ";
        }
        out << ".\n";
    }
}

}  // namespace tiffany::catalogue
