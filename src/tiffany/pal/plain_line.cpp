#include "plain_line.hpp"

#include <cstring>
#include <limits>

#include "text.hpp"

namespace tiffany::pal {
namespace {

using catalogue::FieldType;

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();

bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

}  // namespace

/// A place in a line. What takes something moves it only if that is there.
class PlainLine::Cursor {
  public:
    explicit Cursor(std::string_view line) : at_{line.data()}, end_{line.data() + line.size()} {}

    bool at_end() const { return at_ == end_; }
    bool is_at(char byte) const { return at_ != end_ && *at_ == byte; }
    const char* at() const { return at_; }
    std::string_view rest() const { return {at_, static_cast<std::size_t>(end_ - at_)}; }
    void skip(std::size_t bytes) { at_ += bytes; }

    bool take(const std::string& text) {
        if (static_cast<std::size_t>(end_ - at_) < text.size() || std::memcmp(at_, text.data(), text.size()) != 0)
            return false;
        at_ += text.size();
        return true;
    }

    /// The same for text whose length is known when this is compiled: no call.
    template <std::size_t N>
    bool take(const char (&text)[N]) {
        if (static_cast<std::size_t>(end_ - at_) < N - 1 || __builtin_memcmp(at_, text, N - 1) != 0) return false;
        at_ += N - 1;
        return true;
    }

    /// A number as JSON writes it, of so few digits that it fits.
    bool take_number(std::uint64_t most, std::uint64_t& number) {
        constexpr std::ptrdiff_t kDigits = 19;
        const char* const begin = at_;
        const char* const end = end_ - at_ < kDigits ? end_ : at_ + kDigits;
        std::uint64_t value = 0;
        for (; at_ != end && is_digit(*at_); ++at_)
            value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
        number = value;
        const bool is_whole = at_ == end_ || !is_digit(*at_);
        return is_whole && at_ != begin && (*begin != '0' || at_ == begin + 1) && value <= most;
    }

    /// What is between here and the next quote, if that is plain ASCII; the quote is taken too.
    bool take_to_quote(std::string_view& text) {
        const char* const begin = at_;
        for (; at_ != end_; ++at_) {
            const auto byte = static_cast<unsigned char>(*at_);
            if (byte == '"') {
                text = {begin, static_cast<std::size_t>(at_ - begin)};
                ++at_;
                return true;
            }
            if (byte < 0x20 || byte >= 0x7f || byte == '\\') return false;
        }
        return false;
    }

  private:
    const char* at_;
    const char* end_;
};

std::size_t PlainLine::bucket_of(std::string_view event) {
    return event.empty() ? 0 : (static_cast<unsigned char>(event.front()) * 7 + event.size() * 31) % kBuckets;
}

PlainLine::PlainLine() {
    for (const LinePlan& plan : plans_)
        by_event_[bucket_of(plan.info->record)].push_back(&plan);
}

bool PlainLine::read(std::string_view line, Record& record) {
    Cursor at{line};
    if (!at.take("{\"v\":1,\"ts\":\"") || !read_time(at, record) || !read_origin(at, record)) return false;
    record.seq = record.tid = record.step = 0;
    const bool has_seq = at.take(",\"seq\":");
    if (has_seq && !at.take_number(kAnyNumber, record.seq)) return false;
    const bool has_tid = at.take(",\"tid\":");
    if (has_tid && !at.take_number(kAnyNumber, record.tid)) return false;
    const bool has_step = at.take(",\"step\":");
    if (has_step && !at.take_number(kAnyNumber, record.step)) return false;
    const LinePlan* const plan = read_event(at);
    if (plan == nullptr || plan->has_seq != has_seq || plan->has_tid != has_tid || plan->has_step != has_step)
        return false;
    record.info = plan->info;
    record.unknown.clear();
    record.numbers.fill(0);
    for (std::string& text : record.texts)
        text.clear();
    for (const LinePlan::OwnField& field : plan->own) {
        if (at.take(field.key)) {
            if (!read_own(at, field, record)) return false;
        } else if (field.info->type != FieldType::duration) {
            return false;
        }
    }
    return at.take("}") && at.at_end();
}

bool PlainLine::read_time(Cursor& at, Record& record) {
    constexpr std::size_t kUpToSecond = 20, kWhole = 30;  // "2026-11-23T15:43:08." and all of it
    const std::string_view rest = at.rest();
    if (rest.size() <= kWhole || rest[kWhole - 1] != 'Z' || rest[kWhole] != '"') return false;
    if (rest.substr(0, kUpToSecond) == second_) {
        std::uint64_t fraction = 0;
        for (const char byte : rest.substr(kUpToSecond, kWhole - 1 - kUpToSecond)) {
            if (!is_digit(byte)) return false;
            fraction = fraction * 10 + static_cast<std::uint64_t>(byte - '0');
        }
        record.ts_ns = second_ns_ + fraction;
    } else {
        const auto time = parse_time(rest.substr(0, kWhole));
        // the last second that can be told is not a whole one: what is remembered must be good for any fraction
        constexpr std::uint64_t kSecond = 1'000'000'000;
        if (!time || *time > std::numeric_limits<std::uint64_t>::max() - kSecond) return false;
        record.ts_ns = *time;
        second_ = rest.substr(0, kUpToSecond);
        second_ns_ = *time - *time % kSecond;
    }
    at.skip(kWhole + 1);
    return true;
}

bool PlainLine::read_origin(Cursor& at, Record& record) {
    const char* const begin = at.at();
    if (Cursor after = at;
        !origin_.empty() && after.take(origin_) && after.is_at(',')) {  // "worker":1 begins "worker":12
        at = after;
        return true;
    }
    origin_.clear();
    std::string_view text;
    record.host.clear();
    if (at.take(",\"host\":\"")) {
        if (!at.take_to_quote(text)) return false;
        record.host = text;
    }
    std::uint64_t number = 0;
    if (at.take(",\"pid\":") && !at.take_number(std::numeric_limits<std::uint32_t>::max(), number)) return false;
    record.pid = static_cast<std::uint32_t>(number);
    if (!at.take(",\"instance\":\"") || !at.take_to_quote(text)) return false;
    const auto instance = parse_instance(text);
    if (!instance || !at.take(",\"worker\":") || !at.take_number(std::numeric_limits<std::uint16_t>::max(), number))
        return false;
    record.worker = {*instance, static_cast<std::uint16_t>(number)};
    if (!at.is_at(',')) return false;
    origin_.assign(begin, at.at());
    return true;
}

const LinePlan* PlainLine::read_event(Cursor& at) const {
    std::string_view name;
    if (!at.take(",\"event\":\"") || !at.take_to_quote(name)) return nullptr;
    for (const LinePlan* plan : by_event_[bucket_of(name)])
        if (plan->info->record == name && (plan->kind.empty() || at.take(plan->kind))) return plan;
    return nullptr;
}

bool PlainLine::read_own(Cursor& at, const LinePlan::OwnField& field, Record& record) {
    const bool is_label = field.info->type == FieldType::enumeration;
    if (!is_label && !field.info->is_string()) return at.take_number(field.info->most(), record.numbers[field.slot]);
    std::string_view text;
    if (!at.take("\"") || !at.take_to_quote(text)) return false;
    if (!is_label) {
        record.texts[field.slot] = text;
        return true;
    }
    const auto number = field.info->enumeration->number(text);
    if (number) record.numbers[field.slot] = *number;
    return number.has_value();
}

}  // namespace tiffany::pal
