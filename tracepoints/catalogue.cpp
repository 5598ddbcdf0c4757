#include <algorithm>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>

namespace tiffany::catalogue {
namespace {

// ---- closed sets: one array of values each, then one table ----

#define TIFFANY_ENUMERATION(name, meaning, values) constexpr EnumValue kValues_##name[] = {values};
#define TIFFANY_VALUE(enumeration, label, number) {#label, number},
#include <tiffany/tracepoints/task_events.def>

constexpr EnumInfo kEnumerations[] = {
#define TIFFANY_ENUMERATION(name, meaning, values) {#name, meaning, kValues_##name},
#include <tiffany/tracepoints/task_events.def>
};

constexpr const EnumInfo* enumeration_or_null(std::string_view name) {
    for (const EnumInfo& info : kEnumerations)
        if (info.name == name) return &info;
    return nullptr;
}

// ---- events: one array of fields each, then one table ----

#define TIFFANY_WORKER() \
    {"worker", FieldRole::worker, FieldType::u64, 8, nullptr, "instance (48 bits) and index (16 bits)"},
#define TIFFANY_TID() {"tid", FieldRole::tid, FieldType::u64, 8, nullptr, "the task; 0 = no task"},
#define TIFFANY_SEQ() {"seq", FieldRole::seq, FieldType::u64, 8, nullptr, "counts this worker's transitions"},
#define TIFFANY_STEP() {"step", FieldRole::step, FieldType::u64, 8, nullptr, "counts this task's transitions"},
#define TIFFANY_PID() {"pid", FieldRole::pid, FieldType::u32, 4, nullptr, "process id, as the process sees it"},
#define TIFFANY_U8(name, meaning) {#name, FieldRole::own, FieldType::u8, 1, nullptr, meaning},
#define TIFFANY_U16(name, meaning) {#name, FieldRole::own, FieldType::u16, 2, nullptr, meaning},
#define TIFFANY_U32(name, meaning) {#name, FieldRole::own, FieldType::u32, 4, nullptr, meaning},
#define TIFFANY_U64(name, meaning) {#name, FieldRole::own, FieldType::u64, 8, nullptr, meaning},
#define TIFFANY_DURATION(name, meaning) {#name, FieldRole::own, FieldType::duration, 8, nullptr, meaning},
#define TIFFANY_ENUM(name, set, meaning) \
    {#name, FieldRole::own, FieldType::enumeration, 1, enumeration_or_null(#set), meaning},
#define TIFFANY_STRING(name, bytes, meaning) {#name, FieldRole::own, FieldType::string, bytes, nullptr, meaning},
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) \
    constexpr FieldInfo kFields_task_##verb[] = {TIFFANY_WORKER() TIFFANY_TID() TIFFANY_SEQ() TIFFANY_STEP() fields};
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) \
    constexpr FieldInfo kFields_##verb[] = {fields};
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) \
    constexpr FieldInfo kFields_tick_##verb[] = {fields};
#include <tiffany/tracepoints/task_events.def>

constexpr std::string_view kind_or_empty(std::string_view kind) {
    return kind == "none" ? std::string_view{} : kind;
}

template <typename... States>
constexpr StateSet states(States... list) {
    return StateSet{list...};
}

using enum task_state;

constexpr EventInfo kEventInfos[] = {
// clang-format off
#define TIFFANY_STATES(...) states(__VA_ARGS__)
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields)                                     \
    {EventId::Task##Name, #Name, "tiffany", "task_" #verb, "task__" #verb, "tiffany_task_" #verb, #Name, "", \
     #level, meaning, from, to, kFields_task_##verb},
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields)                                      \
    {EventId::Name, #Name, "tiffany", #verb, #probe, "tiffany_" #verb, #Record, kind_or_empty(#kind), #level, meaning, \
     StateSet{}, StateSet{}, kFields_##verb},
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields)                                   \
    {EventId::Name, #Name, "tiffany_tick", #verb, #probe, "tiffany_tick_" #verb, #Record, kind_or_empty(#kind), \
     #level, meaning, StateSet{}, StateSet{}, kFields_tick_##verb},
// clang-format on
#include <tiffany/tracepoints/task_events.def>
};
static_assert(std::size(kEventInfos) == kEvents);

using NamePair = std::pair<std::string_view, std::string_view>;

const EventInfo* find(const std::map<NamePair, const EventInfo*>& index, std::string_view first,
                      std::string_view second) {
    const auto found = index.find({first, second});
    return found == index.end() ? nullptr : found->second;
}

template <typename Enum>
std::string_view label_in(std::string_view enumeration_name, Enum value) {
    return enumeration_or_null(enumeration_name)->label(static_cast<std::uint64_t>(value)).value_or("?");
}

}  // namespace

std::span<const EventInfo, kEvents> events() noexcept {
    return kEventInfos;
}

const EventInfo& info(EventId id) noexcept {
    return kEventInfos[static_cast<std::size_t>(id)];
}

const EventInfo* find_tracepoint(std::string_view provider, std::string_view tracepoint) noexcept {
    static const auto index = [] {
        std::map<NamePair, const EventInfo*> made;
        for (const EventInfo& event : kEventInfos)
            made[{event.provider, event.tracepoint}] = &event;
        return made;
    }();
    return find(index, provider, tracepoint);
}

const EventInfo* find_record(std::string_view record, std::string_view kind) noexcept {
    static const auto index = [] {
        std::map<NamePair, const EventInfo*> made;
        for (const EventInfo& event : kEventInfos)
            made[{event.record, event.kind}] = &event;
        return made;
    }();
    return find(index, record, kind);
}

std::span<const EnumInfo> enumerations() noexcept {
    return kEnumerations;
}

const EnumInfo& enumeration(std::string_view name) {
    const EnumInfo* found = enumeration_or_null(name);
    if (found == nullptr) throw std::out_of_range{"no enumeration " + std::string{name} + " in the catalogue"};
    return *found;
}

}  // namespace tiffany::catalogue

namespace tiffany {

std::string_view label(TaskState value) noexcept {
    return catalogue::label_in("task_state", value);
}
std::string_view label(WakeCause value) noexcept {
    return catalogue::label_in("wake_cause", value);
}
std::string_view label(WaitKind value) noexcept {
    return catalogue::label_in("wait_kind", value);
}
std::string_view label(WaitReason value) noexcept {
    return catalogue::label_in("wait_reason", value);
}
std::string_view label(CancelCause value) noexcept {
    return catalogue::label_in("cancel_cause", value);
}
std::string_view label(DumpPhase value) noexcept {
    return catalogue::label_in("dump_phase", value);
}
std::string_view label(TaskEvent value) noexcept {
    return catalogue::info(value).name;
}

}  // namespace tiffany
