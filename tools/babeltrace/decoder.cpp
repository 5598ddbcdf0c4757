#include "decoder.hpp"

#include <algorithm>
#include <functional>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

#include "recording_name.hpp"

namespace tiffany::ctf {
namespace {

using catalogue::EventInfo;
using catalogue::FieldInfo;
using catalogue::FieldRole;

constexpr std::string_view kProvider = "tiffany:";
constexpr std::string_view kTickProvider = "tiffany_tick:";
constexpr std::string_view kTransition = "task_";
constexpr std::uintptr_t kAllocated = 64;  // bytes from one object of an event class's size to the next, at least

std::string_view name_of(const bt_event_class* event_class) {
    const char* name = bt_event_class_get_name(event_class);
    return name == nullptr ? std::string_view{} : std::string_view{name};
}

bool is_transition(std::string_view event) {
    return event.starts_with(kProvider) && event.substr(kProvider.size()).starts_with(kTransition);
}

bool carries_transitions(const bt_stream_class* stream_class) {
    for (std::uint64_t e = 0; e < bt_stream_class_get_event_class_count(stream_class); ++e)
        if (is_transition(name_of(bt_stream_class_borrow_event_class_by_index_const(stream_class, e)))) return true;
    return false;
}

bool is_unsigned(const bt_field_class* type) {
    return bt_field_class_type_is(bt_field_class_get_type(type), BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER);
}

bool is_string(const bt_field_class* type) {
    return bt_field_class_get_type(type) == BT_FIELD_CLASS_TYPE_STRING;
}

std::uint64_t ns(const bt_clock_snapshot* snapshot) {
    std::int64_t value = 0;
    if (bt_clock_snapshot_get_ns_from_origin(snapshot, &value) != BT_CLOCK_SNAPSHOT_GET_NS_FROM_ORIGIN_STATUS_OK ||
        value < 0) {
        bt_current_thread_clear_error();
        throw Error{ErrorKind::content, "a time stamp lies before 1970 or after 2262"};
    }
    return static_cast<std::uint64_t>(value);
}

std::string text_of(const bt_trace* trace, const char* entry) {
    const bt_value* value = bt_trace_borrow_environment_entry_value_by_name_const(trace, entry);
    return value != nullptr && bt_value_is_string(value) ? bt_value_string_get(value) : "";
}

std::uint32_t number_of(const bt_trace* trace, const char* entry) {
    const bt_value* value = bt_trace_borrow_environment_entry_value_by_name_const(trace, entry);
    return value != nullptr && bt_value_is_signed_integer(value)
               ? static_cast<std::uint32_t>(bt_value_integer_signed_get(value))
               : 0;
}

}  // namespace

/// How the events of one class are decoded.
struct Decoder::Plan {
    enum class Target : std::uint8_t { worker, tid, seq, step, pid, number, text, none };
    struct Step {
        std::uint64_t member;  // index in the payload
        Target target;
        std::size_t slot;  // of a number or a text
    };

    bool take = false;
    bool left_out = false;  // a tick that nobody asked for
    bool has_worker = false;
    bool tells_pid = false;
    const EventInfo* info = nullptr;
    std::string name;  // of the tracepoint, without its provider
    std::vector<Step> steps;
    std::vector<std::string> unknown_fields;
    std::uint64_t count = 0;

    void add(std::uint64_t member, std::string_view field, const bt_field_class* type) {
        if (info == nullptr) {  // an unknown event: its identities alone are of use
            if (!is_unsigned(type)) return;
            const Target target = identity(field);
            if (target != Target::none) steps.push_back({member, target, 0});
            has_worker = has_worker || target == Target::worker;
            return;
        }
        std::size_t texts = 0;
        for (std::size_t slot = 0; slot < info->fields.size(); ++slot) {
            const FieldInfo& known = info->fields[slot];
            if (known.name == field && known.is_string() == is_string(type) && (is_string(type) || is_unsigned(type))) {
                const Target target = known.role != FieldRole::own ? identity(field)
                                      : known.is_string()          ? Target::text
                                                                   : Target::number;
                steps.push_back({member, target, known.is_string() ? texts : slot});
                has_worker = has_worker || target == Target::worker;
                return;
            }
            if (known.is_string()) ++texts;
        }
        unknown_fields.push_back(name + "." + std::string{field});
    }

    static Target identity(std::string_view field) {
        if (field == "worker") return Target::worker;
        if (field == "tid") return Target::tid;
        if (field == "seq") return Target::seq;
        if (field == "step") return Target::step;
        if (field == "pid") return Target::pid;
        return Target::none;
    }
};

/// What a stream class says about loss.
struct Decoder::Channel {
    bool clock = false;
    bool transitions = false;
    bool only_transitions = true;
    bool others = false;  // events of ours that are none, and that are asked for
    bool discarded_times = false;
    bool packet_times = false;
};

Decoder::Decoder(TraceSink& out, bool ticks) : out_{out}, ticks_{ticks} {}
Decoder::~Decoder() = default;

void Decoder::message(const bt_message* message) {
    switch (bt_message_get_type(message)) {
        case BT_MESSAGE_TYPE_EVENT:
            return event(message);
        case BT_MESSAGE_TYPE_STREAM_BEGINNING:
            return stream_begins(bt_message_stream_beginning_borrow_stream_const(message));
        case BT_MESSAGE_TYPE_DISCARDED_EVENTS:
            return discarded_events(message);
        case BT_MESSAGE_TYPE_DISCARDED_PACKETS:
            return discarded_packets(message);
        default:
            return;
    }
}

void Decoder::stream_begins(const bt_stream* stream) {
    const bt_trace* trace = bt_stream_borrow_trace_const(stream);
    const auto [labels, is_new] = traces_.try_emplace(trace);
    if (!is_new) return;
    labels->second = {text_of(trace, "hostname"), number_of(trace, "vpid")};

    // by now all the metadata has been read: every stream class has all its event classes
    TraceFacts facts;
    facts.host = labels->second.host;
    if (const char* name = bt_trace_get_name(trace)) facts.name = name;
    const bt_trace_class* trace_class = bt_trace_borrow_class_const(trace);
    std::vector<bool> declared(kEvents, false);
    for (std::uint64_t s = 0; s < bt_trace_class_get_stream_class_count(trace_class); ++s) {
        const bt_stream_class* stream_class = bt_trace_class_borrow_stream_class_by_index_const(trace_class, s);
        for (std::uint64_t e = 0; e < bt_stream_class_get_event_class_count(stream_class); ++e) {
            const std::string_view name = name_of(bt_stream_class_borrow_event_class_by_index_const(stream_class, e));
            facts.tiffany = facts.tiffany || name.starts_with(kProvider) || name.starts_with(kTickProvider);
            if (!name.starts_with(kProvider)) continue;
            const EventInfo* info = catalogue::find_tracepoint("tiffany", name.substr(kProvider.size()));
            if (info != nullptr) declared[static_cast<std::size_t>(info->id)] = true;
        }
        if (const bt_clock_class* clock = bt_stream_class_borrow_default_clock_class_const(stream_class))
            if (const char* name = bt_clock_class_get_name(clock)) facts.clock = name;
    }
    const std::string session = text_of(trace, "trace_name");
    facts.from_start = is_from_start(session);
    // in a recording of paltrace's nobody selects: what is missing there is missing for another reason
    facts.selection = facts.tiffany && !is_recording(session) &&
                      !std::all_of(declared.begin(), declared.begin() + kTransitions, std::identity{});
    if (facts.selection)
        for (const EventInfo& info : catalogue::events())
            if (declared[static_cast<std::size_t>(info.id)]) facts.events.emplace_back(info.tracepoint);
    out_.facts(facts);
}

const Decoder::Channel& Decoder::channel_of(const bt_stream_class* stream_class) {
    std::unique_ptr<Channel>& channel = channels_[stream_class];
    if (channel != nullptr) return *channel;
    channel = std::make_unique<Channel>();
    channel->clock = bt_stream_class_borrow_default_clock_class_const(stream_class) != nullptr;
    channel->discarded_times = bt_stream_class_discarded_events_have_default_clock_snapshots(stream_class) != BT_FALSE;
    channel->packet_times = bt_stream_class_discarded_packets_have_default_clock_snapshots(stream_class) != BT_FALSE;
    for (std::uint64_t e = 0; e < bt_stream_class_get_event_class_count(stream_class); ++e) {
        const std::string_view name = name_of(bt_stream_class_borrow_event_class_by_index_const(stream_class, e));
        channel->only_transitions = channel->only_transitions && is_transition(name);
        channel->others = channel->others || name.starts_with(kProvider) || (ticks_ && name.starts_with(kTickProvider));
    }
    channel->transitions = carries_transitions(stream_class);
    // of two channels with transitions one may have what the other discarded: then their counts are upper bounds
    const bt_trace_class* trace_class = bt_stream_class_borrow_trace_class_const(stream_class);
    for (std::uint64_t s = 0; s < bt_trace_class_get_stream_class_count(trace_class); ++s) {
        const bt_stream_class* other = bt_trace_class_borrow_stream_class_by_index_const(trace_class, s);
        if (other != stream_class && carries_transitions(other)) channel->only_transitions = false;
    }
    return *channel;
}

Decoder::Plan& Decoder::plan_of(const bt_event_class* event_class) {
    Seen& seen = seen_[reinterpret_cast<std::uintptr_t>(event_class) / kAllocated % kSeen];
    if (event_class == seen.event_class) return *seen.plan;
    std::unique_ptr<Plan>& plan = plans_[event_class];
    if (plan == nullptr) {
        plan = std::make_unique<Plan>();
        const std::string_view name = name_of(event_class);
        const bool tick = name.starts_with(kTickProvider);
        plan->left_out = tick && !ticks_;
        if (name.starts_with(kProvider) || (tick && ticks_)) {
            if (!channel_of(bt_event_class_borrow_stream_class_const(event_class)).clock)
                throw Error{ErrorKind::content, "the trace has no clock"};
            plan->take = true;
            plan->name = name.substr(tick ? kTickProvider.size() : kProvider.size());
            plan->info = catalogue::find_tracepoint(tick ? "tiffany_tick" : "tiffany", plan->name);
            if (const bt_field_class* payload = bt_event_class_borrow_payload_field_class_const(event_class))
                for (std::uint64_t i = 0; i < bt_field_class_structure_get_member_count(payload); ++i) {
                    const bt_field_class_structure_member* member =
                        bt_field_class_structure_borrow_member_by_index_const(payload, i);
                    plan->add(i, bt_field_class_structure_member_get_name(member),
                              bt_field_class_structure_member_borrow_field_class_const(member));
                }
            plan->tells_pid = plan->info != nullptr &&
                              (plan->info->id == EventId::WorkerStarted || plan->info->id == EventId::WorkerDumped);
        }
    }
    seen = {event_class, plan.get()};
    return *plan;
}

void Decoder::event(const bt_message* message) {
    const bt_event* event = bt_message_event_borrow_event_const(message);
    Plan& plan = plan_of(bt_event_borrow_class_const(event));
    if (plan.left_out) ++ticks_left_out_;
    if (!plan.take) return;
    ++plan.count;
    if (!plan.has_worker) return;  // nobody's: counted, if it is unknown

    record_.info = plan.info;
    if (plan.info == nullptr) record_.unknown = plan.name;
    record_.ts_ns = ns(bt_message_event_borrow_default_clock_snapshot_const(message));
    const bt_trace* trace = bt_stream_borrow_trace_const(bt_event_borrow_stream_const(event));
    if (trace != last_trace_) {
        last_trace_ = trace;
        labels_ = &traces_[trace];
        record_.host = labels_->host;
        last_instance_ = ~std::uint64_t{0};
    }
    record_.seq = record_.tid = record_.step = 0;
    record_.numbers.fill(0);
    for (std::string& text : record_.texts)
        text.clear();
    std::uint32_t pid = 0;
    const bt_field* payload = bt_event_borrow_payload_field_const(event);
    for (const Plan::Step& step : plan.steps) {
        const bt_field* field = bt_field_structure_borrow_member_field_by_index_const(payload, step.member);
        if (step.target == Plan::Target::text) {
            // by its length: babeltrace2 2.0.4 keeps the old bytes under an empty string
            record_.texts[step.slot].assign(bt_field_string_get_value(field), bt_field_string_get_length(field));
            continue;
        }
        const std::uint64_t value = bt_field_integer_unsigned_get_value(field);
        switch (step.target) {
            case Plan::Target::worker:
                record_.worker = pal::WorkerId::from_event(value);
                break;
            case Plan::Target::tid:
                record_.tid = value;
                break;
            case Plan::Target::seq:
                record_.seq = value;
                break;
            case Plan::Target::step:
                record_.step = value;
                break;
            case Plan::Target::pid:
                pid = static_cast<std::uint32_t>(value);
                break;
            case Plan::Target::number:
                record_.numbers[step.slot] = value;
                break;
            case Plan::Target::text:
            case Plan::Target::none:
                break;
        }
    }
    if (plan.tells_pid && pid != 0) {
        pids_[record_.worker.instance] = pid;
        last_instance_ = ~std::uint64_t{0};
    }
    if (record_.worker.instance != last_instance_) {
        last_instance_ = record_.worker.instance;
        const auto known = pids_.find(last_instance_);
        last_pid_ = known == pids_.end() ? labels_->pid : known->second;
    }
    record_.pid = last_pid_;
    out_.record(record_);
}

void Decoder::discarded_events(const bt_message* message) {
    const Channel& channel =
        channel_of(bt_stream_borrow_class_const(bt_message_discarded_events_borrow_stream_const(message)));
    if (!channel.transitions && !channel.others) return;
    pal::Discarded made;
    made.only_others = !channel.transitions;
    made.end_ns = ~std::uint64_t{0};  // without times: it may explain any gap
    made.only_transitions = channel.only_transitions;
    made.counted = bt_message_discarded_events_get_count(message, &made.count) == BT_PROPERTY_AVAILABILITY_AVAILABLE;
    if (channel.discarded_times) {
        made.begin_ns = ns(bt_message_discarded_events_borrow_beginning_default_clock_snapshot_const(message));
        made.end_ns = ns(bt_message_discarded_events_borrow_end_default_clock_snapshot_const(message));
    }
    out_.discarded(made);
}

void Decoder::discarded_packets(const bt_message* message) {
    const Channel& channel =
        channel_of(bt_stream_borrow_class_const(bt_message_discarded_packets_borrow_stream_const(message)));
    if (!channel.transitions && !channel.others) return;
    pal::Discarded made;
    made.only_others = !channel.transitions;
    made.end_ns = ~std::uint64_t{0};
    made.counted = false;
    if (channel.packet_times) {
        made.begin_ns = ns(bt_message_discarded_packets_borrow_beginning_default_clock_snapshot_const(message));
        made.end_ns = ns(bt_message_discarded_packets_borrow_end_default_clock_snapshot_const(message));
    }
    out_.discarded(made);
}

Counts Decoder::unknown_events() const {
    Counts counts;
    for (const auto& [event_class, plan] : plans_)
        if (plan->take && plan->info == nullptr && plan->count != 0) counts[plan->name] += plan->count;
    return counts;
}

Counts Decoder::unknown_fields() const {
    Counts counts;
    for (const auto& [event_class, plan] : plans_)
        if (plan->take && plan->count != 0)
            for (const std::string& field : plan->unknown_fields)
                counts[field] += plan->count;
    return counts;
}

}  // namespace tiffany::ctf
