#include "plain_line.hpp"

#include <cstring>
#include <limits>

#include "byte_word.hpp"
#include "text.hpp"

namespace tiffany::pal {
namespace {

constexpr std::uint64_t kAnyNumber = std::numeric_limits<std::uint64_t>::max();
constexpr std::size_t kFraction = 9;  // digits of a second's fraction

constexpr std::string_view kBeforeTime = "{\"v\":1,\"ts\":\"";
constexpr std::size_t kUpToSecond = kBeforeTime.size() + std::string_view{"2026-11-23T15:43:08."}.size();

constexpr Token kSeq{",\"seq\":"}, kTid{",\"tid\":"}, kStep{",\"step\":"}, kEvent{",\"event\":\""};
constexpr Token kHost{",\"host\":\""}, kPid{",\"pid\":"}, kInstance{",\"instance\":\""}, kWorker{",\"worker\":"};
constexpr Token kAfterTime{"Z\""}, kLineEnd{"}\n"};

// A place in a text is a `const char*` that each of these takes and returns: where it goes on, or null if what is to be
// taken is not there. So it stays in a register. The text ends with a newline, which no token, number or string has, so
// nothing that is taken reaches behind it.

const char* take(const Token& token, const char* at) {
    return token.is_at(at) ? at + token.size() : nullptr;
}

/// Takes it if it is there.
bool may_take(const Token& token, const char*& at) {
    if (!token.is_at(at)) return false;
    at += token.size();
    return true;
}

const char* take(const std::string& text, const char* at) {
    return same_bytes(at, text.data(), text.size()) ? at + text.size() : nullptr;
}

const char* take_more_digits(const char* at, std::uint64_t& value) {
    constexpr std::size_t kMost = 19 - kWord;  // any number of 19 digits fits
    std::size_t digits = 0;
    for (; digits <= kMost && *at >= '0' && *at <= '9'; ++digits, ++at)
        value = value * 10 + static_cast<std::uint64_t>(*at - '0');
    return digits <= kMost ? at : nullptr;
}

/// A number as JSON writes it, of so few digits that it fits.
[[gnu::always_inline]] inline const char* take_number(const char* at, std::uint64_t most, std::uint64_t& number) {
    const std::uint64_t front = word_at(at);
    const std::size_t digits = count_digits(front);
    if (digits == 0 || (*at == '0' && digits != 1)) return nullptr;
    std::uint64_t value = number_in(front, digits);
    at += digits;
    if (digits == kWord) {
        at = take_more_digits(at, value);
        if (at == nullptr) return nullptr;
    }
    number = value;
    return value <= most ? at : nullptr;
}

/// What is between here and the next quote, if that is plain ASCII; the quote is taken too.
const char* take_to_quote(const char* at, std::string_view& text) {
    const char* const begin = at;
    for (;; at += kWord) {
        const std::uint64_t word = word_at(at);
        const std::uint64_t marks = mark_less(word, 0x20) | mark_equal(word, '"') | mark_equal(word, '\\') |
                                    mark_equal(word, 0x7f) | (word & eight_of(0x80));
        if (marks == 0) continue;
        at += before_mark(marks);
        if (*at != '"') return nullptr;
        text = {begin, static_cast<std::size_t>(at - begin)};
        return at + 1;
    }
}

void clear_values(Record& record) {
    record.unknown.clear();
#pragma GCC unroll 12  // six stores; else g++ makes `rep stos` of it
    for (std::uint64_t& number : record.numbers)
        number = 0;
    for (std::string& text : record.texts)
        text.clear();
}

}  // namespace

PlainLine::PlainLine() = default;

std::size_t PlainLine::read(std::string_view text, Record& record) {
    if (text.empty() || text.back() != '\n') return 0;
    const char* at = read_origin(read_time(text.data(), record), text.data() + text.size(), record);
    if (at == nullptr) return 0;
    record.seq = record.tid = record.step = 0;
    const bool has_seq = may_take(kSeq, at);
    if (has_seq && (at = take_number(at, kAnyNumber, record.seq)) == nullptr) return 0;
    const bool has_tid = may_take(kTid, at);
    if (has_tid && (at = take_number(at, kAnyNumber, record.tid)) == nullptr) return 0;
    const bool has_step = may_take(kStep, at);
    if (has_step && (at = take_number(at, kAnyNumber, record.step)) == nullptr) return 0;
    const PlainPlan* plan = nullptr;
    at = read_event(at, plan);
    if (at == nullptr || plan->has_seq != has_seq || plan->has_tid != has_tid || plan->has_step != has_step) return 0;
    record.info = plan->info;
    at = read_own(at, *plan, record);
    if (at == nullptr || !kLineEnd.is_at(at)) return 0;
    return static_cast<std::size_t>(at + kLineEnd.size() - text.data());
}

[[gnu::always_inline]] inline const char* PlainLine::read_time(const char* at, Record& record) {
    if (second_.empty() || !same_bytes(at, second_.data(), kUpToSecond)) {
        if (!read_second({at, kUpToSecond})) return nullptr;
    }
    at += kUpToSecond;
    const std::uint64_t front = word_at(at);
    const auto last = static_cast<unsigned>(static_cast<unsigned char>(at[kWord]) - '0');
    if (!is_all_digits(front) || last > 9) return nullptr;
    record.ts_ns = second_ns_ + number_in(front, kWord) * 10 + last;
    return at + kFraction;
}

[[gnu::noinline]] bool PlainLine::read_second(std::string_view front) {
    second_.clear();
    if (!front.starts_with(kBeforeTime)) return false;
    const auto time = parse_time(std::string{front.substr(kBeforeTime.size())} + "000000000Z");
    // the last second that can be told is not a whole one: what is remembered must be good for any fraction
    constexpr std::uint64_t kSecond = 1'000'000'000;
    if (!time || *time > std::numeric_limits<std::uint64_t>::max() - kSecond) return false;
    second_ns_ = *time;
    second_ = front;
    return true;
}

/// Mostly that of the line before, or at least of the same process.
[[gnu::always_inline]] inline const char* PlainLine::read_origin(const char* at, const char* end, Record& record) {
    if (at == nullptr) return nullptr;
    const auto is_at = [&](std::size_t bytes) {
        return bytes != 0 && static_cast<std::size_t>(end - at) > bytes && std::memcmp(at, origin_.data(), bytes) == 0;
    };
    if (is_at(origin_.size()) && at[origin_.size()] == ',')
        return at + origin_.size();  // "worker":1 begins "worker":12
    const char* after = nullptr;
    if (is_at(up_to_worker_)) {
        after = at + up_to_worker_;
    } else {
        after = read_new_process(at, record);
        up_to_worker_ = after != nullptr ? static_cast<std::size_t>(after - at) : 0;
    }
    std::uint64_t worker = 0;
    if (after != nullptr) after = take_number(after, std::numeric_limits<std::uint16_t>::max(), worker);
    if (after == nullptr) {
        forget();
        return nullptr;
    }
    record.worker.index = static_cast<std::uint16_t>(worker);
    origin_.assign(at, after);
    return after;
}

const char* PlainLine::read_new_process(const char* at, Record& record) {
    std::string_view text;
    if (!may_take(kAfterTime, at)) return nullptr;
    record.host.clear();
    if (may_take(kHost, at)) {
        if ((at = take_to_quote(at, text)) == nullptr) return nullptr;
        record.host = text;
    }
    std::uint64_t number = 0;
    if (may_take(kPid, at) && (at = take_number(at, std::numeric_limits<std::uint32_t>::max(), number)) == nullptr)
        return nullptr;
    record.pid = static_cast<std::uint32_t>(number);
    if (!may_take(kInstance, at) || (at = take_to_quote(at, text)) == nullptr) return nullptr;
    const auto instance = parse_instance(text);
    if (!instance) return nullptr;
    record.worker.instance = *instance;
    return take(kWorker, at);
}

[[gnu::always_inline]] inline const char* PlainLine::read_event(const char* at, const PlainPlan*& plan) const {
    if (!may_take(kEvent, at)) return nullptr;
    const WordSet::Word* const name = plans_.names().find(at);
    if (name == nullptr) return nullptr;
    at += name->text.size();
    plan = &plans_.plan(name->number);
    if (plan->kind.empty()) return at;
    for (; plan != nullptr; plan = plan->next)
        if (const char* const after = take(plan->kind, at)) return after;
    return nullptr;
}

[[gnu::always_inline]] inline const char* PlainLine::read_own(const char* at, const PlainPlan& plan, Record& record) {
    clear_values(record);
    for (const PlainPlan::Field& field : plan.fields) {
        if (!field.key.is_at(at)) {
            if (field.form != ValueForm::duration) return nullptr;
            continue;
        }
        at += field.key.size();
        if (field.form == ValueForm::number || field.form == ValueForm::duration) {
            at = take_number(at, field.most, record.numbers[field.slot]);
        } else if (field.form == ValueForm::label) {
            const WordSet::Word* const label = field.labels->find(at);
            if (label == nullptr) return nullptr;
            record.numbers[field.slot] = label->number;
            at += label->text.size();
        } else {
            std::string_view text;
            at = take_to_quote(at, text);
            if (at != nullptr) record.texts[field.slot] = text;
        }
        if (at == nullptr) return nullptr;
    }
    return at;
}

}  // namespace tiffany::pal
