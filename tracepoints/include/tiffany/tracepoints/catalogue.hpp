#pragma once
/// The event catalogue as C++ values: what every event is called and which fields it has. Made from task_events.def;
/// everything here is constant, so any thread may read it.
///
///     for (const EventInfo& event : catalogue::events()) std::cout << event.tracepoint << '\n';

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tiffany {

// ---- closed sets ----

namespace catalogue {
#define TIFFANY_ENUMERATION(name, meaning, values) enum class name : std::uint8_t { values };
#define TIFFANY_VALUE(enumeration, label, number) label = (number),
#include <tiffany/tracepoints/task_events.def>

/// How many values each closed set has: kNumberOf_wait_kind. They are numbered from 0 without a hole.
#define TIFFANY_ENUMERATION(name, meaning, values) inline constexpr std::size_t kNumberOf_##name = 0 values;
#define TIFFANY_VALUE(enumeration, label, number) +1
#include <tiffany/tracepoints/task_events.def>
}  // namespace catalogue

/// The closed sets of the catalogue; the numbers are those in the events.
using TaskState = catalogue::task_state;
using WakeCause = catalogue::wake_cause;
using WaitKind = catalogue::wait_kind;
using WaitReason = catalogue::wait_reason;
using CancelCause = catalogue::cancel_cause;
using DumpPhase = catalogue::dump_phase;

inline constexpr std::size_t kTaskStates = catalogue::kNumberOf_task_state;
inline constexpr std::size_t kWaitKinds = catalogue::kNumberOf_wait_kind;

// ---- the events ----

/// The transitions of a task, in the catalogue's order.
enum class TaskEvent : std::uint8_t {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) Name,
#include <tiffany/tracepoints/task_events.def>
};

/// Every event of the catalogue, transitions first (with the numbers of TaskEvent), then the others, then the ticks.
enum class EventId : std::uint8_t {
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) Task##Name,
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) Name,
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) Name,
#include <tiffany/tracepoints/task_events.def>
};

inline constexpr std::size_t kTransitions = 0
#define TIFFANY_TRANSITION(Name, verb, from, to, level, meaning, fields) +1
#include <tiffany/tracepoints/task_events.def>
    ;

inline constexpr std::size_t kEvents = kTransitions
#define TIFFANY_EVENT(Name, verb, probe, Record, kind, level, meaning, fields) +1
#define TIFFANY_TICK(Name, verb, probe, Record, kind, level, meaning, fields) +1
#include <tiffany/tracepoints/task_events.def>
    ;

namespace catalogue {

inline constexpr std::uint16_t kVersion = TIFFANY_CATALOGUE_VERSION;

/// A set of states, one bit each.
class StateSet {
  public:
    template <typename... States>
    constexpr explicit StateSet(States... states) : bits_((0u | ... | (1u << static_cast<unsigned>(states)))) {}
    /// Of a state that this version does not know (a newer log's): no.
    constexpr bool has(TaskState state) const {
        const auto number = static_cast<unsigned>(state);
        return number < 32 && ((bits_ >> number) & 1u) != 0;
    }
    /// The first of its states in the catalogue's order; None if it has none.
    constexpr TaskState lowest() const { return static_cast<TaskState>(bits_ == 0 ? 0 : std::countr_zero(bits_)); }

  private:
    std::uint32_t bits_;
};

struct EnumValue {
    std::string_view label;
    std::uint8_t number;
};

/// A closed set: its name in CTF, and its values.
struct EnumInfo {
    std::string_view name;
    std::string_view meaning;
    std::span<const EnumValue> values;

    /// The label of a number, or nothing for a number that this version does not know.
    constexpr std::optional<std::string_view> label(std::uint64_t number) const {
        for (const EnumValue& value : values)
            if (value.number == number) return value.label;
        return std::nullopt;
    }
    constexpr std::optional<std::uint8_t> number(std::string_view label) const {
        for (const EnumValue& value : values)
            if (value.label == label) return value.number;
        return std::nullopt;
    }
};

/// Fields that mean the same in every event are identities; the others are the event's own.
enum class FieldRole : std::uint8_t { worker, tid, seq, step, pid, own };

enum class FieldType : std::uint8_t { u8, u16, u32, u64, duration, enumeration, string };

struct FieldInfo {
    std::string_view name;
    FieldRole role;
    FieldType type;
    std::size_t max_bytes;        ///< strings: without the final NUL; numbers: their size
    const EnumInfo* enumeration;  ///< null unless type is enumeration
    std::string_view meaning;

    constexpr bool is_string() const { return type == FieldType::string; }
    /// The largest number that fits; numbers only.
    constexpr std::uint64_t most() const { return ~std::uint64_t{0} >> (64 - 8 * max_bytes); }
};

struct EventInfo {
    EventId id;
    std::string_view name;         ///< "Sleep": the name in C++; for transitions also in PAL and metrics
    std::string_view provider;     ///< "tiffany" or "tiffany_tick"
    std::string_view tracepoint;   ///< "task_sleep"; LTTng shows provider:tracepoint
    std::string_view probe;        ///< "task__sleep": every `_` of the tracepoint doubled, as DTrace does
    std::string_view struct_name;  ///< "tiffany_task_sleep"
    std::string_view record;       ///< "event" in PAL: "Sleep", "Worker"
    std::string_view kind;         ///< "kind" in PAL: "started"; empty = none
    std::string_view level;        ///< LTTng log level: "INFO"
    std::string_view meaning;
    StateSet from;  ///< transitions only
    StateSet to;
    std::span<const FieldInfo> fields;  ///< in the order of the struct

    constexpr bool is_transition() const { return static_cast<std::size_t>(id) < kTransitions; }
};

/// All events, by EventId.
std::span<const EventInfo, kEvents> events() noexcept;
const EventInfo& info(EventId id) noexcept;
inline const EventInfo& info(TaskEvent event) noexcept {
    return info(static_cast<EventId>(event));
}

/// The event of a tracepoint, or null. Cost: a map look-up.
const EventInfo* find_tracepoint(std::string_view provider, std::string_view tracepoint) noexcept;
/// The event of a PAL record ("Worker", "started"), or null. Cost: a map look-up.
const EventInfo* find_record(std::string_view record, std::string_view kind) noexcept;

/// The closed sets, in the catalogue's order.
std::span<const EnumInfo> enumerations() noexcept;
const EnumInfo& enumeration(std::string_view name);  ///< throws std::out_of_range

}  // namespace catalogue

/// The catalogue's label of a value: label(WakeCause::timer) is "timer"; "?" for a number that it does not know.
std::string_view label(TaskState value) noexcept;
std::string_view label(WakeCause value) noexcept;
std::string_view label(WaitKind value) noexcept;
std::string_view label(WaitReason value) noexcept;
std::string_view label(CancelCause value) noexcept;
std::string_view label(DumpPhase value) noexcept;
std::string_view label(TaskEvent value) noexcept;

}  // namespace tiffany
