#include "decoder.hpp"

#include <string_view>
#include <tiffany/pal/error.hpp>
#include <utility>
#include <vector>

namespace tiffany::ctf {
namespace {

std::string_view name_of(const bt_event_class* event_class) {
    const char* name = bt_event_class_get_name(event_class);
    return name == nullptr ? std::string_view{} : std::string_view{name};
}

EventNames events_of(const bt_stream_class* stream_class) {
    EventNames names;
    for (std::uint64_t e = 0; e < bt_stream_class_get_event_class_count(stream_class); ++e)
        names.push_back(name_of(bt_stream_class_borrow_event_class_by_index_const(stream_class, e)));
    return names;
}

std::vector<EventNames> events_of(const bt_trace_class* trace_class) {
    std::vector<EventNames> streams;
    for (std::uint64_t s = 0; s < bt_trace_class_get_stream_class_count(trace_class); ++s)
        streams.push_back(events_of(bt_trace_class_borrow_stream_class_by_index_const(trace_class, s)));
    return streams;
}

FieldKind kind_of(const bt_field_class* type) {
    const bt_field_class_type is = bt_field_class_get_type(type);
    if (is == BT_FIELD_CLASS_TYPE_STRING) return FieldKind::string;
    return bt_field_class_type_is(is, BT_FIELD_CLASS_TYPE_UNSIGNED_INTEGER) ? FieldKind::number : FieldKind::other;
}

inline std::uint64_t ns(const bt_clock_snapshot* snapshot) {
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
struct Decoder::Plan : EventPlan {
    static constexpr std::uint64_t kNone = ~std::uint64_t{0};
    struct Step {
        std::uint64_t member;  // index in the payload
        std::size_t slot;
    };

    using EventPlan::EventPlan;
    void add(std::uint64_t member, const Place& place);

    std::uint64_t worker = kNone, tid = kNone, seq = kNone, step = kNone, pid = kNone;  // members
    std::vector<Step> numbers;
    std::vector<Step> texts;
};

void Decoder::Plan::add(std::uint64_t member, const Place& place) {
    switch (place.target) {
        case Target::worker:
            worker = member;
            return;
        case Target::tid:
            tid = member;
            return;
        case Target::seq:
            seq = member;
            return;
        case Target::step:
            step = member;
            return;
        case Target::pid:
            pid = member;
            return;
        case Target::number:
            numbers.push_back({member, place.slot});
            return;
        case Target::text:
            texts.push_back({member, place.slot});
            return;
    }
}

/// What a stream class says about loss.
struct Decoder::Channel : ChannelFacts {
    bool clock = false;
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
    for (std::uint64_t s = 0; s < bt_trace_class_get_stream_class_count(trace_class); ++s) {
        const bt_stream_class* stream_class = bt_trace_class_borrow_stream_class_by_index_const(trace_class, s);
        if (const bt_clock_class* clock = bt_stream_class_borrow_default_clock_class_const(stream_class))
            if (const char* name = bt_clock_class_get_name(clock)) facts.clock = name;
    }
    add_facts(facts, events_of(trace_class), text_of(trace, "trace_name"));
    out_.facts(facts);
}

const Decoder::Channel& Decoder::channel_of(const bt_stream_class* stream_class) {
    std::unique_ptr<Channel>& channel = channels_[stream_class];
    if (channel != nullptr) return *channel;
    channel = std::make_unique<Channel>();
    const bt_trace_class* trace_class = bt_stream_class_borrow_trace_class_const(stream_class);
    std::size_t index = 0;
    while (bt_trace_class_borrow_stream_class_by_index_const(trace_class, index) != stream_class)
        ++index;
    static_cast<ChannelFacts&>(*channel) = channel_facts(events_of(trace_class), index, ticks_);
    channel->clock = bt_stream_class_borrow_default_clock_class_const(stream_class) != nullptr;
    channel->discarded_times = bt_stream_class_discarded_events_have_default_clock_snapshots(stream_class) != BT_FALSE;
    channel->packet_times = bt_stream_class_discarded_packets_have_default_clock_snapshots(stream_class) != BT_FALSE;
    return *channel;
}

Decoder::Plan& Decoder::find_plan(const bt_event_class* event_class) {
    std::unique_ptr<Plan>& plan = plans_[event_class];
    if (plan == nullptr) {
        plan = std::make_unique<Plan>(name_of(event_class), ticks_);
        if (plan->take) {
            if (!channel_of(bt_event_class_borrow_stream_class_const(event_class)).clock)
                throw Error{ErrorKind::content, "the trace has no clock"};
            if (const bt_field_class* payload = bt_event_class_borrow_payload_field_class_const(event_class))
                for (std::uint64_t i = 0; i < bt_field_class_structure_get_member_count(payload); ++i) {
                    const bt_field_class_structure_member* member =
                        bt_field_class_structure_borrow_member_by_index_const(payload, i);
                    const bt_field_class* type = bt_field_class_structure_member_borrow_field_class_const(member);
                    if (const auto place =
                            plan->place_of(bt_field_class_structure_member_get_name(member), kind_of(type)))
                        plan->add(i, *place);
                }
        }
    }
    seen_of(event_class) = {event_class, plan.get()};
    return *plan;
}

/// What the events of one class of one trace have in common. A number that this class does not have stays 0.
void Decoder::prepare(Filled& filled, const Plan& plan) const {
    pal::Record& record = filled.record;
    if (filled.trace != last_trace_) record.host = labels_->host;
    filled.trace = last_trace_;
    filled.plan = &plan;
    record.info = plan.info;
    if (plan.info == nullptr) record.unknown = plan.name;
#pragma GCC unroll 12  // six stores; else g++ makes `rep stos` of it
    for (std::uint64_t& number : record.numbers)
        number = 0;
    for (std::string& text : record.texts)
        text.clear();
}

void Decoder::event(const bt_message* message) {
    const bt_event* event = bt_message_event_borrow_event_const(message);
    Plan& plan = plan_of(bt_event_borrow_class_const(event));
    if (plan.left_out) ++ticks_left_out_;
    if (!plan.take) return;
    ++plan.count;
    if (!plan.has_worker) return;  // nobody's: counted, if it is unknown

    const bt_trace* trace = bt_stream_borrow_trace_const(bt_event_borrow_stream_const(event));
    if (trace != last_trace_) {
        last_trace_ = trace;
        labels_ = &traces_[trace];
        pids_.forget_last();
    }
    std::swap(last_filled_, next_filled_);
    pal::Record& record = last_filled_->record;
    if (last_filled_->plan != &plan || last_filled_->trace != trace) prepare(*last_filled_, plan);
    record.ts_ns = ns(bt_message_event_borrow_default_clock_snapshot_const(message));

    const bt_field* payload = bt_event_borrow_payload_field_const(event);
    const auto number = [payload](std::uint64_t member) {
        return bt_field_integer_unsigned_get_value(
            bt_field_structure_borrow_member_field_by_index_const(payload, member));
    };
    const auto number_if_any = [&number](std::uint64_t member) { return member == Plan::kNone ? 0 : number(member); };
    record.worker = pal::WorkerId::from_event(number(plan.worker));
    record.seq = number_if_any(plan.seq);
    record.tid = number_if_any(plan.tid);
    record.step = number_if_any(plan.step);
    for (const Plan::Step& step : plan.numbers)
        record.numbers[step.slot] = number(step.member);
    for (const Plan::Step& step : plan.texts) {
        const bt_field* text = bt_field_structure_borrow_member_field_by_index_const(payload, step.member);
        // by its length: babeltrace2 2.0.4 keeps the old bytes under an empty string
        record.texts[step.slot].assign(bt_field_string_get_value(text), bt_field_string_get_length(text));
    }
    const auto pid = static_cast<std::uint32_t>(number_if_any(plan.pid));
    if (plan.tells_pid && pid != 0) pids_.tell(record.worker.instance, pid);
    record.pid = pids_.of(record.worker.instance, labels_->pid);
    out_.record(record);
}

void Decoder::discarded_events(const bt_message* message) {
    const Channel& channel =
        channel_of(bt_stream_borrow_class_const(bt_message_discarded_events_borrow_stream_const(message)));
    if (!channel.matters()) return;
    pal::Discarded made = channel.discarded_events();
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
    if (!channel.matters()) return;
    pal::Discarded made = channel.discarded_packets();
    if (channel.packet_times) {
        made.begin_ns = ns(bt_message_discarded_packets_borrow_beginning_default_clock_snapshot_const(message));
        made.end_ns = ns(bt_message_discarded_packets_borrow_end_default_clock_snapshot_const(message));
    }
    out_.discarded(made);
}

void Decoder::add_unknown(Counts& events, Counts& fields) const {
    for (const auto& [event_class, plan] : plans_)
        plan->add_unknown(events, fields);
}

}  // namespace tiffany::ctf
