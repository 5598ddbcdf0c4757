#include "pal_line.hpp"

#include <algorithm>
#include <cstring>
#include <tiffany/pal/byte_sink.hpp>
#include <tiffany/pal/text.hpp>
#include <tiffany/pal/writer.hpp>

namespace tiffany::detail {
namespace {

using catalogue::FieldInfo;
using catalogue::FieldRole;
using catalogue::FieldType;

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::size_t kRegister = 32;     // a copy of more than this is cut into such
constexpr std::size_t kOriginBytes = 32;  // an instance, a worker, and what is around them

using pal::put_hex;
using pal::put_number;

char* put(char* out, std::string_view text) noexcept {
    std::memcpy(out, text.data(), text.size());
    return out + text.size();
}

/// A string of an event: UTF-8 already, so only what JSON escapes is looked for.
char* put_text(char* out, const char* text, std::size_t max_bytes) noexcept {
    *out++ = '"';
    for (std::size_t i = 0; i < max_bytes && text[i] != '\0'; ++i) {
        const char byte = text[i];
        if (static_cast<unsigned char>(byte) >= 0x20 && byte != '"' && byte != '\\') [[likely]] {
            *out++ = byte;
            continue;
        }
        *out++ = '\\';
        switch (byte) {
            case '"':
            case '\\':
                *out++ = byte;
                break;
            case '\n':
                *out++ = 'n';
                break;
            case '\t':
                *out++ = 't';
                break;
            case '\r':
                *out++ = 'r';
                break;
            default:
                out = put_hex(put(out, "u"), static_cast<unsigned char>(byte), 4);
                break;
        }
    }
    *out++ = '"';
    return out;
}

template <typename Number>
Number read(const std::byte* from) noexcept {
    Number number;
    std::memcpy(&number, from, sizeof number);
    return number;
}

std::string quoted(std::string_view plain) {
    return '"' + std::string{plain} + '"';
}

/// What the log's writer makes of a host and a pid.
std::string label_of(std::string_view host, std::uint32_t pid) {
    struct Text : pal::ByteSink {
        void write(std::string_view bytes) override { text += bytes; }
        std::string text;
    } out;
    pal::Record record;
    record.info = &catalogue::info(TaskEvent::Done);
    record.host = host;
    record.pid = pid;
    pal::LogWriter writer{out};
    writer.record(record);
    writer.flush();
    const std::size_t from = out.text.find("Z\"") + 2;
    constexpr std::string_view kInstance = ",\"instance\":\"";
    // searched from behind: a host may be called anything
    return out.text.substr(from, out.text.rfind(kInstance) + kInstance.size() - from);
}

}  // namespace

PalLines::PalLines(std::string_view host, std::uint32_t pid) : label_{label_of(host, pid)} {
    for (const catalogue::EventInfo& event : catalogue::events())
        plans_.push_back(plan_of(event));
    origin_.reserve(label_.size() + kOriginBytes + kRegister);
}

PalLines::Plan PalLines::plan_of(const catalogue::EventInfo& event) {
    Plan plan;
    std::string name = ",\"event\":" + quoted(event.record);
    if (!event.kind.empty()) name += ",\"kind\":" + quoted(event.kind);
    plan.event = Piece{name};
    // the compiler's own rule: a member lies at the next multiple of its alignment, which is its size, or 1 for a
    // string
    std::size_t at = 0;
    for (const FieldInfo& field : event.fields) {
        if (!field.is_string()) at = (at + field.max_bytes - 1) / field.max_bytes * field.max_bytes;
        const auto offset = static_cast<std::uint16_t>(at);
        at += field.is_string() ? field.max_bytes + 1 : field.max_bytes;
        if (field.role == FieldRole::seq) plan.seq = offset;
        if (field.role == FieldRole::tid) plan.tid = offset;
        if (field.role == FieldRole::step) plan.step = offset;
        if (field.role != FieldRole::own) continue;
        constexpr std::array kKinds{Kind::u8,       Kind::u16,         Kind::u32, Kind::u64,
                                    Kind::duration, Kind::enumeration, Kind::text};
        Field own{kKinds[static_cast<std::size_t>(field.type)],
                  offset,
                  static_cast<std::uint16_t>(field.max_bytes),
                  Piece{"," + quoted(field.name) + ":"},
                  {}};
        if (field.enumeration != nullptr)
            for (std::uint64_t i = 0; const auto label = field.enumeration->label(i); ++i)
                own.labels.emplace_back(quoted(*label));
        plan.own.push_back(std::move(own));
    }
    return plan;
}

char* PalLines::put_time(char* out, std::uint64_t ts_ns) noexcept {
    const std::uint64_t second = ts_ns / kNsPerSecond;
    if (second != second_) [[unlikely]] {
        second_ = second;
        std::array<char, Piece::kMost> text{};
        const char* const end = pal::put_second(tiffany::detail::put(text.data(), R"({"v":1,"ts":")"), second);
        up_to_second_ = Piece{{text.data(), static_cast<std::size_t>(end - text.data())}};
    }
    out = up_to_second_.put(out);
    out = pal::put_9_digits(out, static_cast<std::uint32_t>(ts_ns % kNsPerSecond));
    return tiffany::detail::put(out, "Z\"");
}

char* PalLines::put_origin(char* out, std::uint64_t worker) noexcept {
    if (worker != worker_ || origin_.empty()) [[unlikely]] {
        worker_ = worker;
        char text[kOriginBytes];
        char* end = put_hex(text, worker >> 16, 12);
        end = tiffany::detail::put(end, "\",\"worker\":");
        end = put_number(end, worker & 0xffff);
        origin_.assign(label_);
        origin_.append(text, static_cast<std::size_t>(end - text));
        origin_bytes_ = origin_.size();
        origin_.append(kRegister, '\0');
    }
    for (std::size_t at = 0; at < origin_bytes_; at += kRegister)
        std::memcpy(out + at, origin_.data() + at, kRegister);
    return out + origin_bytes_;
}

char* PalLines::put(char* out, const pal::Gap& gap) noexcept {
    out = put_time(out, gap.ts_ns);
    out = put_hex(tiffany::detail::put(out, ",\"instance\":\""), gap.worker.instance, 12);
    out = put_number(tiffany::detail::put(out, "\",\"worker\":"), gap.worker.index);
    out = put_number(tiffany::detail::put(out, ",\"event\":\"Gap\",\"from_seq\":"), gap.from_seq);
    out = put_number(tiffany::detail::put(out, ",\"to_seq\":"), gap.to_seq);
    out = put_number(tiffany::detail::put(out, ",\"lost\":"), gap.lost);
    return tiffany::detail::put(out, gap.explained ? "}\n" : ",\"explained\":false}\n");
}

char* PalLines::put(char* out, const PalEvent& event) noexcept {
    const Plan& plan = plans_[static_cast<std::size_t>(event.id)];
    const std::byte* from = event.payload;
    out = put_time(out, event.ts_ns);
    out = put_origin(out, read<std::uint64_t>(from));
    if (plan.seq != 0) out = put_number(tiffany::detail::put(out, ",\"seq\":"), read<std::uint64_t>(from + plan.seq));
    if (plan.tid != 0) out = put_number(tiffany::detail::put(out, ",\"tid\":"), read<std::uint64_t>(from + plan.tid));
    if (plan.step != 0)
        out = put_number(tiffany::detail::put(out, ",\"step\":"), read<std::uint64_t>(from + plan.step));
    out = plan.event.put(out);
    for (const Field& field : plan.own) {
        const std::byte* at = from + field.offset;
        std::uint64_t number = 0;
        switch (field.kind) {
            case Kind::text:
                out = put_text(field.key.put(out), reinterpret_cast<const char*>(at), field.max_bytes);
                continue;
            case Kind::duration:
                number = read<std::uint64_t>(at);
                if (number == 0) continue;  // not known, or does not apply
                break;
            case Kind::enumeration:
                number = read<std::uint8_t>(at);
                if (number >= field.labels.size()) break;
                out = field.labels[number].put(field.key.put(out));
                continue;
            case Kind::u8:
                number = read<std::uint8_t>(at);
                break;
            case Kind::u16:
                number = read<std::uint16_t>(at);
                break;
            case Kind::u32:
                number = read<std::uint32_t>(at);
                break;
            case Kind::u64:
                number = read<std::uint64_t>(at);
                break;
        }
        out = put_number(field.key.put(out), number);
    }
    return tiffany::detail::put(out, "}\n");
}

}  // namespace tiffany::detail
