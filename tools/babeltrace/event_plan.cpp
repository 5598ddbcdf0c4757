#include "event_plan.hpp"

#include "trace_facts.hpp"

namespace tiffany::ctf {
namespace {

using catalogue::FieldInfo;
using catalogue::FieldRole;
using Target = EventPlan::Target;

std::optional<Target> identity(std::string_view field) {
    if (field == "worker") return Target::worker;
    if (field == "tid") return Target::tid;
    if (field == "seq") return Target::seq;
    if (field == "step") return Target::step;
    if (field == "pid") return Target::pid;
    return std::nullopt;
}

}  // namespace

EventPlan::EventPlan(std::string_view event, bool ticks) {
    const bool tick = event.starts_with(kTickProvider);
    left_out = tick && !ticks;
    take = event.starts_with(kProvider) || (tick && ticks);
    if (!take) return;
    name = event.substr(tick ? kTickProvider.size() : kProvider.size());
    info = catalogue::find_tracepoint(tick ? "tiffany_tick" : "tiffany", name);
    tells_pid = info != nullptr && (info->id == EventId::WorkerStarted || info->id == EventId::WorkerDumped);
}

std::optional<EventPlan::Place> EventPlan::place_of(std::string_view field, FieldKind kind) {
    if (!take) return std::nullopt;
    if (info == nullptr) {  // an unknown event: its identities alone are of use
        const std::optional<Target> target = kind == FieldKind::number ? identity(field) : std::nullopt;
        if (!target) return std::nullopt;
        has_worker = has_worker || *target == Target::worker;
        return Place{*target, 0};
    }
    std::size_t texts = 0;
    for (std::size_t slot = 0; slot < info->fields.size(); ++slot) {
        const FieldInfo& known = info->fields[slot];
        if (known.name == field && kind == (known.is_string() ? FieldKind::string : FieldKind::number)) {
            if (known.role == FieldRole::own)
                return known.is_string() ? Place{Target::text, texts} : Place{Target::number, slot};
            has_worker = has_worker || known.role == FieldRole::worker;
            return Place{*identity(field), slot};
        }
        if (known.is_string()) ++texts;
    }
    unknown_fields_.push_back(name + "." + std::string{field});
    return std::nullopt;
}

void EventPlan::add_unknown(Counts& events, Counts& fields) const {
    if (!take || count == 0) return;
    if (info == nullptr) events[name] += count;
    for (const std::string& field : unknown_fields_)
        fields[field] += count;
}

void ProcessIds::look_up(std::uint64_t instance, std::uint32_t otherwise) {
    last_instance_ = instance;
    const auto known = pids_.find(instance);
    last_pid_ = known == pids_.end() ? otherwise : known->second;
}

}  // namespace tiffany::ctf
