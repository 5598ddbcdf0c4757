#include "plain_line.hpp"

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
constexpr Token kAfterTime{"Z\""}, kQuote{"\""}, kLineEnd{"}\n"};

}  // namespace

/// A place in a text that ends with a newline. No token, number or string has one, so nothing that is taken reaches
/// behind it.
class PlainLine::Cursor {
  public:
    explicit Cursor(const char* at) : at_{at} {}

    const char* at() const { return at_; }
    void skip(std::size_t bytes) { at_ += bytes; }

    bool take(const Token& token) {
        if (!token.is_at(at_)) return false;
        at_ += token.size();
        return true;
    }

    bool take(const std::string& text) {
        if (!same_bytes(at_, text.data(), text.size())) return false;
        at_ += text.size();
        return true;
    }

    /// A number as JSON writes it, of so few digits that it fits.
    bool take_number(std::uint64_t most, std::uint64_t& number) {
        const std::uint64_t front = word_at(at_);
        std::size_t digits = count_digits(front);
        const bool has_zero_before = (front & 0xff) == '0' && digits != 1;
        if (digits == 0 || has_zero_before) return false;
        std::uint64_t value = number_in(front, digits);
        at_ += digits;
        if (digits == kWord && !take_more_digits(value)) return false;
        number = value;
        return value <= most;
    }

    /// The fraction of a second.
    bool take_fraction(std::uint64_t& fraction) {
        const std::uint64_t front = word_at(at_);
        const auto last = static_cast<unsigned>(static_cast<unsigned char>(at_[kWord]) - '0');
        fraction = number_in(front, kWord) * 10 + last;
        at_ += kFraction;
        return count_digits(front) == kWord && last <= 9;
    }

    /// What is between here and the next quote, if that is plain ASCII; the quote is taken too.
    bool take_to_quote(std::string_view& text) {
        const char* const begin = at_;
        for (;; at_ += kWord) {
            const std::uint64_t word = word_at(at_);
            const std::uint64_t marks = mark_less(word, 0x20) | mark_equal(word, '"') | mark_equal(word, '\\') |
                                        mark_equal(word, 0x7f) | (word & eight_of(0x80));
            if (marks == 0) continue;
            at_ += before_mark(marks);
            if (*at_ != '"') return false;
            text = {begin, static_cast<std::size_t>(at_ - begin)};
            ++at_;
            return true;
        }
    }

  private:
    bool take_more_digits(std::uint64_t& value) {
        constexpr std::size_t kMost = 19 - kWord;  // any number of 19 digits fits
        std::size_t digits = 0;
        for (; digits <= kMost && *at_ >= '0' && *at_ <= '9'; ++digits, ++at_)
            value = value * 10 + static_cast<std::uint64_t>(*at_ - '0');
        return digits <= kMost;
    }

    const char* at_;
};

PlainLine::PlainLine() = default;

std::size_t PlainLine::read(std::string_view text, Record& record) {
    if (text.empty() || text.back() != '\n') return 0;
    Cursor at{text.data()};
    if (!read_time(at, record) || !read_origin(at, record)) return 0;
    record.seq = record.tid = record.step = 0;
    const bool has_seq = at.take(kSeq);
    if (has_seq && !at.take_number(kAnyNumber, record.seq)) return 0;
    const bool has_tid = at.take(kTid);
    if (has_tid && !at.take_number(kAnyNumber, record.tid)) return 0;
    const bool has_step = at.take(kStep);
    if (has_step && !at.take_number(kAnyNumber, record.step)) return 0;
    const PlainPlan* const plan = read_event(at);
    if (plan == nullptr || plan->has_seq != has_seq || plan->has_tid != has_tid || plan->has_step != has_step) return 0;
    record.info = plan->info;
    if (!read_own(at, *plan, record) || !at.take(kLineEnd)) return 0;
    return static_cast<std::size_t>(at.at() - text.data());
}

bool PlainLine::read_time(Cursor& at, Record& record) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    const char* const begin = at.at();
    if (second_.empty() || !same_bytes(begin, second_.data(), kUpToSecond)) {
        const std::string_view front{begin, kUpToSecond};
        second_.clear();
        if (!front.starts_with(kBeforeTime)) return false;
        const auto time = parse_time(std::string{front.substr(kBeforeTime.size())} + "000000000Z");
        // the last second that can be told is not a whole one: what is remembered must be good for any fraction
        if (!time || *time > std::numeric_limits<std::uint64_t>::max() - kSecond) return false;
        second_ns_ = *time;
        second_ = front;
    }
    at.skip(kUpToSecond);
    std::uint64_t fraction = 0;
    if (!at.take_fraction(fraction)) return false;
    record.ts_ns = second_ns_ + fraction;
    return at.take(kAfterTime);
}

/// host, pid and instance are mostly those of the line before.
bool PlainLine::read_origin(Cursor& at, Record& record) {
    if (origin_.empty() || !at.take(origin_)) {
        const char* const begin = at.at();
        origin_.clear();
        if (!read_new_origin(at, record)) return false;
        origin_.assign(begin, at.at());
    }
    std::uint64_t worker = 0;
    if (!at.take_number(std::numeric_limits<std::uint16_t>::max(), worker)) return false;
    record.worker.index = static_cast<std::uint16_t>(worker);
    return true;
}

bool PlainLine::read_new_origin(Cursor& at, Record& record) {
    std::string_view text;
    record.host.clear();
    if (at.take(kHost)) {
        if (!at.take_to_quote(text)) return false;
        record.host = text;
    }
    std::uint64_t number = 0;
    if (at.take(kPid) && !at.take_number(std::numeric_limits<std::uint32_t>::max(), number)) return false;
    record.pid = static_cast<std::uint32_t>(number);
    if (!at.take(kInstance) || !at.take_to_quote(text)) return false;
    const auto instance = parse_instance(text);
    if (!instance) return false;
    record.worker.instance = *instance;
    return at.take(kWorker);
}

const PlainPlan* PlainLine::read_event(Cursor& at) const {
    if (!at.take(kEvent)) return nullptr;
    const WordSet::Word* const name = plans_.names().find(at.at());
    if (name == nullptr) return nullptr;
    at.skip(name->text.size());
    const PlainPlan* plan = &plans_.plan(name->number);
    if (plan->kind.empty()) return plan;
    while (plan != nullptr && !at.take(plan->kind))
        plan = plan->next;
    return plan;
}

bool PlainLine::read_own(Cursor& at, const PlainPlan& plan, Record& record) {
    record.unknown.clear();
    record.numbers.fill(0);
    for (std::string& text : record.texts)
        text.clear();
    for (const PlainPlan::Field& field : plan.fields) {
        if (!at.take(field.key)) {
            if (field.form != ValueForm::duration) return false;
            continue;
        }
        if (field.form == ValueForm::number || field.form == ValueForm::duration) {
            if (!at.take_number(field.most, record.numbers[field.slot])) return false;
            continue;
        }
        if (!at.take(kQuote)) return false;
        if (field.form == ValueForm::label) {
            const WordSet::Word* const label = field.labels->find(at.at());
            if (label == nullptr) return false;
            record.numbers[field.slot] = label->number;
            at.skip(label->text.size());
        } else {
            std::string_view text;
            if (!at.take_to_quote(text)) return false;
            record.texts[field.slot] = text;
        }
    }
    return true;
}

}  // namespace tiffany::pal
