#include "line_plan.hpp"

#include <string_view>

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;
using catalogue::FieldInfo;
using catalogue::FieldRole;

/// `,"key":`; the catalogue's names need no escapes.
std::string key_of(std::string_view name) {
    return ",\"" + std::string{name} + "\":";
}

std::string member(std::string_view name, std::string_view value) {
    return key_of(name) + '"' + std::string{value} + '"';
}

LinePlan make_plan(const EventInfo& event) {
    LinePlan plan{.info = &event, .event = member("event", event.record), .kind = {}, .own = {}};
    if (!event.kind.empty()) plan.kind = member("kind", event.kind);
    std::size_t text_slot = 0;
    for (std::size_t i = 0; i < event.fields.size(); ++i) {
        const FieldInfo& field = event.fields[i];
        plan.has_seq |= field.role == FieldRole::seq;
        plan.has_tid |= field.role == FieldRole::tid;
        plan.has_step |= field.role == FieldRole::step;
        if (field.role == FieldRole::own)
            plan.own.push_back({&field, field.is_string() ? text_slot++ : i, key_of(field.name)});
    }
    return plan;
}

}  // namespace

std::vector<LinePlan> make_line_plans() {
    std::vector<LinePlan> plans;
    for (const EventInfo& event : catalogue::events())
        plans.push_back(make_plan(event));
    return plans;
}

}  // namespace tiffany::pal
