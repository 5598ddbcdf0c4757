#include "event_layout.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "catalogue_layout.hpp"

namespace tiffany::ctf {
namespace {

using tsdl::Type;
using Kind = LayoutStep::Kind;

[[noreturn]] void not_plain(const std::string& why) {
    throw NotPlain{"the metadata declares " + why};
}

/// Makes the steps of one struct's members.
class Compiler {
  public:
    explicit Compiler(Layout& out) : out_{out} {}

    /// @param plan  null: nothing of it is kept
    void structure(const Type& type, EventPlan* plan) {
        align(type.align);
        for (const tsdl::Member& member : type.members) {
            align(member.type->align);
            if (member.type->kind == Type::Kind::sequence && member.type->tag != last_length_)
                not_plain("a sequence whose length is not right before it");
            if (is_length(type, member.name)) {
                keep_length(*member.type);
                last_length_ = member.name;
            }
            const std::optional<EventPlan::Place> place =
                plan == nullptr ? std::nullopt : plan->place_of(member.name, kind_of(*member.type));
            if (place)
                keep(*member.type, *place);
            else
                skip(*member.type);
        }
    }

  private:
    static bool is_length(const Type& structure, const std::string& name) {
        return std::ranges::any_of(structure.members, [&](const tsdl::Member& member) {
            return member.type->kind == Type::Kind::sequence && member.type->tag == name;
        });
    }

    static bool is_text_array(const Type& type) {
        return type.element != nullptr && type.element->is_text && type.element->bits == 8;
    }

    static FieldKind kind_of(const Type& type) {
        if (type.kind == Type::Kind::string || is_text_array(type)) return FieldKind::string;
        const bool integer = type.kind == Type::Kind::integer || type.kind == Type::Kind::enumeration;
        return integer && !type.is_signed ? FieldKind::number : FieldKind::other;
    }

    void align(unsigned bits) {
        if (bits > 8) out_.push_back({Kind::align, 0, bits / 8 - 1});
    }

    static unsigned bytes_of(const Type& type) {
        const bool number = type.kind == Type::Kind::integer || type.kind == Type::Kind::enumeration ||
                            type.kind == Type::Kind::floating;
        if (!number || type.bits % 8 != 0 || type.bits == 0 || type.align < 8 || type.clock)
            not_plain("a field of a kind that LTTng does not write for one of its events");
        return type.bits / 8;
    }

    void keep_length(const Type& type) {
        if (type.foreign) not_plain("a length in the other byte order");
        // one length at a time: it stands right before what it is the length of, or it is not LTTng's
        out_.push_back({Kind::length, 0, bytes_of(type)});
    }

    void keep(const Type& type, const EventPlan::Place& place) {
        if (type.kind == Type::Kind::string) {
            add_text(out_, static_cast<std::uint8_t>(place.slot));
            return;
        }
        if (type.element != nullptr || type.foreign) not_plain("a field of ours in a way that we do not write it");
        add_number(out_, slot_of(place), bytes_of(type));
    }

    static std::uint8_t slot_of(const EventPlan::Place& place) {
        switch (place.target) {
            case EventPlan::Target::worker:
                return kWorkerSlot;
            case EventPlan::Target::pid:
                return kPidSlot;
            case EventPlan::Target::tid:
                return kTidSlot;
            case EventPlan::Target::seq:
                return kSeqSlot;
            case EventPlan::Target::step:
                return kStepSlot;
            case EventPlan::Target::number:
                return static_cast<std::uint8_t>(kOwnSlot + place.slot);
            case EventPlan::Target::text:
                break;
        }
        not_plain("a text of ours that is none");
    }

    void skip_bytes(std::uint64_t bytes) {
        if (bytes == 0) return;
        if (!out_.empty() && out_.back().kind == Kind::skip) {
            bytes += out_.back().size;
            out_.pop_back();
        }
        if (bytes > std::numeric_limits<std::uint32_t>::max()) not_plain("a field that is too long");
        out_.push_back({Kind::skip, 0, static_cast<std::uint32_t>(bytes)});
    }

    void skip(const Type& type) {
        switch (type.kind) {
            case Type::Kind::string:
                out_.push_back({Kind::skip_text, 0, 0});
                return;
            case Type::Kind::array:
                skip_bytes(type.length * element_bytes(*type.element));
                return;
            case Type::Kind::sequence:
                out_.push_back({Kind::repeat, 0, element_bytes(*type.element)});
                return;
            default:
                skip_bytes(bytes_of(type));
        }
    }

    static unsigned element_bytes(const Type& element) {
        const unsigned bytes = bytes_of(element);
        if (element.align > element.bits) not_plain("an array with holes");
        return bytes;
    }

    Layout& out_;
    std::string last_length_;  // whose value the steps keep
};

/// Sequences need their length right before them: the steps keep one at a time.
void check_lengths(const Layout& steps) {
    const auto is = [&](std::size_t i, Kind kind) { return i < steps.size() && steps[i].kind == kind; };
    for (std::size_t i = 0; i < steps.size(); ++i)
        if (is(i, Kind::length) && !is(i + 2, Kind::repeat) && !(is(i + 2, Kind::align) && is(i + 3, Kind::repeat)))
            not_plain("a sequence whose length is not right before it");
}

Layout compile(const tsdl::TypePtr& type) {
    Layout steps;
    if (type != nullptr) Compiler{steps}.structure(*type, nullptr);
    check_lengths(steps);
    return steps;
}

struct Expected {
    const char* name;
    unsigned bits;
    bool clock = false;
};

bool is_number(const Type& type, unsigned bits, bool clock) {
    return type.kind == Type::Kind::integer && type.bits == bits && type.align == (bits % 8 == 0 ? 8U : 1U) &&
           !type.is_signed && !type.foreign && type.clock == clock;
}

bool is_struct(const Type& type, std::span<const Expected> members) {
    return type.kind == Type::Kind::structure && type.members.size() == members.size() &&
           std::equal(members.begin(), members.end(), type.members.begin(),
                      [](const Expected& expected, const tsdl::Member& found) {
                          return found.name == expected.name && is_number(*found.type, expected.bits, expected.clock);
                      });
}

bool is_packet_header(const Type& type) {
    if (type.members.size() != 4 || type.align != 8) return false;
    const tsdl::Member& uuid = type.members[1];
    const auto is = [&](std::size_t i, const char* name, unsigned bits) {
        return type.members[i].name == name && is_number(*type.members[i].type, bits, false);
    };
    return is(0, "magic", 32) && uuid.name == "uuid" && uuid.type->kind == Type::Kind::array &&
           uuid.type->length == 16 && is_number(*uuid.type->element, 8, false) && is(2, "stream_id", 32) &&
           is(3, "stream_instance_id", 64);
}

bool is_packet_context(const Type& type) {
    static constexpr std::array kMembers{Expected{"timestamp_begin", 64, true},
                                         Expected{"timestamp_end", 64, true},
                                         Expected{"content_size", 64},
                                         Expected{"packet_size", 64},
                                         Expected{"packet_seq_num", 64},
                                         Expected{"events_discarded", 64},
                                         Expected{"cpu_id", 32}};
    return is_struct(type, kMembers) && type.align == 8;
}

/// An enumeration `id` that says whether a short or a long header follows.
bool is_chooser(const Type& type, unsigned bits, std::int64_t extended) {
    if (type.kind != Type::Kind::enumeration || type.bits != bits || type.align != (bits % 8 == 0 ? 8U : 1U) ||
        type.is_signed || type.foreign || type.labels.size() != 2)
        return false;
    const tsdl::Label& first = type.labels[0];
    const tsdl::Label& last = type.labels[1];
    return first.name == "compact" && first.from == 0 && first.to == extended - 1 && last.name == "extended" &&
           last.from == extended && last.to == extended;
}

bool is_two_headers(const Type& type, unsigned id_bits, std::int64_t extended, unsigned time_bits) {
    if (type.members.size() != 2 || type.align != 8) return false;
    const tsdl::Member& id = type.members[0];
    const tsdl::Member& rest = type.members[1];
    if (id.name != "id" || !is_chooser(*id.type, id_bits, extended)) return false;
    if (rest.type->kind != Type::Kind::variant || rest.type->tag != "id" || rest.type->members.size() != 2)
        return false;
    const std::array short_one{Expected{"timestamp", time_bits, true}};
    static constexpr std::array kLongOne{Expected{"id", 32}, Expected{"timestamp", 64, true}};
    const tsdl::Member& compact = rest.type->members[0];
    const tsdl::Member& long_one = rest.type->members[1];
    return compact.name == "compact" && is_struct(*compact.type, short_one) &&
           compact.type->align == (time_bits % 8 == 0 ? 8U : 1U) && long_one.name == "extended" &&
           is_struct(*long_one.type, kLongOne);
}

HeaderKind header_kind(const Type& type) {
    static constexpr std::array kFlat{Expected{"id", 32}, Expected{"timestamp", 64, true}};
    if (is_struct(type, kFlat) && type.align == 8) return HeaderKind::flat;
    if (is_two_headers(type, 16, 65'535, 32)) return HeaderKind::large;
    if (is_two_headers(type, 5, 31, 27)) return HeaderKind::compact;
    not_plain("a header of events that is not LTTng's");
}

void need_tracer(const tsdl::Metadata& metadata) {
    const auto name = metadata.env_texts.find("tracer_name");
    const auto number = [&](const char* key) {
        const auto found = metadata.env_numbers.find(key);
        return found == metadata.env_numbers.end() ? -1 : found->second;
    };
    // babeltrace2 mends the packets' times of older ones
    if (name == metadata.env_texts.end() || name->second != "lttng-ust" ||
        std::pair{number("tracer_major"), number("tracer_minor")} < std::pair{std::int64_t{2}, std::int64_t{11}})
        not_plain("another tracer than lttng-ust 2.11 or later");
}

std::string text_of(const tsdl::Metadata& metadata, const char* key) {
    const auto found = metadata.env_texts.find(key);
    return found == metadata.env_texts.end() ? "" : found->second;
}

StreamLayout lay_out_stream(const tsdl::Stream& stream, bool ticks) {
    StreamLayout made;
    made.id = stream.id;
    if (!is_packet_context(*stream.packet_context)) not_plain("a packet context that is not LTTng's");
    made.header = header_kind(*stream.event_header);
    made.context = compile(stream.event_context);
    for (const tsdl::Event& event : stream.events) {
        if (event.id >= made.events.size()) made.events.resize(event.id + 1);
        auto layout = std::make_unique<EventLayout>(EventLayout{EventPlan{event.name, ticks}, compile(event.context)});
        Compiler{layout->steps}.structure(*event.payload, &layout->plan);
        check_lengths(layout->steps);
        layout->in_code = catalogue_decoder(layout->plan, layout->steps);
        made.events[event.id] = std::move(layout);
    }
    return made;
}

}  // namespace

void add_number(Layout& steps, std::uint8_t slot, unsigned bytes) {
    const Kind kind = bytes == 1   ? Kind::number8
                      : bytes == 2 ? Kind::number16
                      : bytes == 4 ? Kind::number32
                                   : Kind::number64;
    // the step before leads to the slot before this one, among the identities or among the event's own
    if (kind == Kind::number64 && slot != kOwnSlot && !steps.empty() && steps.back().kind == kind &&
        steps.back().slot + steps.back().size / sizeof(std::uint64_t) == slot)
        steps.back().size += bytes;
    else
        steps.push_back({kind, slot, bytes});
}

void add_text(Layout& steps, std::uint8_t slot) {
    steps.push_back({Kind::text, slot, 0});
}

void refuse_cut() {
    throw NotPlain{"an event does not end within its packet"};
}

std::size_t text_size(Bytes bytes) {
    const void* const nul = std::memchr(bytes.data(), 0, bytes.size());
    if (nul == nullptr) throw NotPlain{"a text does not end within its packet"};
    return static_cast<std::size_t>(static_cast<const unsigned char*>(nul) - bytes.data());
}

ClockTime::ClockTime(const tsdl::Clock& clock) : frequency_{clock.frequency} {
    const std::uint64_t more_s = clock.offset / clock.frequency;
    constexpr std::uint64_t kMaxNs = std::numeric_limits<std::int64_t>::max();
    constexpr std::uint64_t kMaxS = kMaxNs / kNs - 1;
    if (clock.offset_s > kMaxS || more_s > kMaxS - clock.offset_s) not_plain("a clock that begins after 2262");
    const std::uint64_t cycles = clock.offset % clock.frequency;
    base_ns_ = (clock.offset_s + more_s) * kNs + (frequency_ == kNs ? cycles : scaled(cycles));
    room_ = kMaxNs - base_ns_;
}

std::uint64_t ClockTime::scaled(std::uint64_t cycles) const {
    const double ns = 1e9 * static_cast<double>(cycles) / static_cast<double>(frequency_);
    constexpr double kMost = 9e18;
    if (ns >= kMost) refuse();
    return static_cast<std::uint64_t>(ns);
}

void ClockTime::refuse() {
    throw NotPlain{"a time stamp lies after 2262"};
}

void TraceLayout::add_unknown(Counts& events, Counts& fields) const {
    for (const StreamLayout& stream : streams)
        for (const std::unique_ptr<EventLayout>& event : stream.events)
            if (event != nullptr) event->plan.add_unknown(events, fields);
}

std::uint64_t TraceLayout::ticks_left_out() const {
    std::uint64_t count = 0;
    for (const StreamLayout& stream : streams)
        for (const std::unique_ptr<EventLayout>& event : stream.events)
            if (event != nullptr && event->plan.left_out) count += event->plan.count;
    return count;
}

TraceLayout lay_out(const tsdl::Metadata& metadata, bool ticks) {
    need_tracer(metadata);
    if (!is_packet_header(*metadata.packet_header)) not_plain("a packet header that is not LTTng's");
    if (!metadata.clock) not_plain("no clock");
    TraceLayout made;
    made.uuid = metadata.uuid;
    made.clock = ClockTime{*metadata.clock};
    std::vector<EventNames> names;
    for (const tsdl::Stream& stream : metadata.streams) {
        made.streams.push_back(lay_out_stream(stream, ticks));
        EventNames& of_stream = names.emplace_back();
        for (const tsdl::Event& event : stream.events)
            of_stream.push_back(event.name);
    }
    for (std::size_t i = 0; i < names.size(); ++i)
        made.streams[i].channel = channel_facts(names, i, ticks);
    made.facts.host = text_of(metadata, "hostname");
    made.facts.clock = metadata.clock->name;
    add_facts(made.facts, names, text_of(metadata, "trace_name"));
    if (const auto pid = metadata.env_numbers.find("vpid"); pid != metadata.env_numbers.end())
        made.pid = static_cast<std::uint32_t>(pid->second);
    return made;
}

}  // namespace tiffany::ctf
