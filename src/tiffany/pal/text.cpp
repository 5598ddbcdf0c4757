#include "text.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "byte_word.hpp"

namespace tiffany::pal {
namespace {

constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// what JSON does not allow in a string as it is, and what needs a look: no ASCII
bool is_plain(unsigned char byte) {
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

std::uint64_t mark_special(std::uint64_t word) {
    return mark_less(word, 0x20) | mark_equal(word, '"') | mark_equal(word, '\\') | (word & eight_of(0x80));
}

/// How many bytes come before the first that is not.
std::size_t count_plain(std::string_view text) {
    std::size_t plain = 0;
    for (; plain + kWord <= text.size(); plain += kWord) {
        const std::uint64_t marks = mark_special(word_at(text.data() + plain));
        if (marks != 0) return plain + before_mark(marks);
    }
    while (plain < text.size() && is_plain(static_cast<unsigned char>(text[plain])))
        ++plain;
    return plain;
}

bool is_between(char byte, unsigned low, unsigned high) {
    const unsigned value = static_cast<unsigned char>(byte);
    return value >= low && value <= high;
}

bool is_continuation(char byte) {
    return is_between(byte, 0x80, 0xBF);
}

/// The number that `digits` digits at `at` are, or nothing.
std::optional<std::uint64_t> digits_at(std::string_view text, std::size_t at, std::size_t digits) {
    std::uint64_t value = 0;
    for (std::size_t i = at; i < at + digits; ++i) {
        if (i >= text.size() || text[i] < '0' || text[i] > '9') return std::nullopt;
        value = value * 10 + static_cast<std::uint64_t>(text[i] - '0');
    }
    return value;
}

}  // namespace

void TextBuffer::put_hex(std::uint64_t value, std::size_t digits) {
    end_at(pal::put_hex(room(digits), value, digits));
}

/// What JSON allows as it is, with its quotes. Returns false, and puts nothing, if not all of it is.
bool TextBuffer::put_plain(std::string_view text) {
    char* const at = room(text.size() + 2);
    at[0] = '"';
    std::uint64_t marks = 0;
    const auto copy_word = [&, from = text.data(), to = at + 1](std::size_t place) {
        marks |= mark_special(word_at(from + place));
        std::memcpy(to + place, from + place, kWord);
    };
    if (text.size() >= kWord) {
        for (std::size_t i = 0; i + kWord < text.size(); i += kWord)
            copy_word(i);
        copy_word(text.size() - kWord);
    } else if (text.size() >= sizeof(std::uint32_t)) {
        std::uint32_t first = 0;
        std::uint32_t last = 0;
        const std::size_t place = text.size() - sizeof last;
        std::memcpy(&first, text.data(), sizeof first);
        std::memcpy(&last, text.data() + place, sizeof last);
        marks = mark_special(first | std::uint64_t{last} << 32);
        std::memcpy(at + 1, &first, sizeof first);
        std::memcpy(at + 1 + place, &last, sizeof last);
    } else {
        for (std::size_t i = 0; i < text.size(); ++i) {
            marks |= is_plain(static_cast<unsigned char>(text[i])) ? 0 : 1;
            at[1 + i] = text[i];
        }
    }
    if (marks != 0) return false;
    at[text.size() + 1] = '"';
    size_ += text.size() + 2;
    return true;
}

void TextBuffer::put_quoted(std::string_view text) {
    if (put_plain(text)) [[likely]]
        return;
    put('"');
    while (!text.empty()) {
        const std::size_t plain = count_plain(text);
        put(text.substr(0, plain));
        text.remove_prefix(plain);
        if (text.empty()) break;

        std::size_t used = 1;
        const auto byte = static_cast<unsigned char>(text.front());
        if (byte == '"' || byte == '\\') {
            put('\\');
            put(text.front());
        } else if (byte == '\n') {
            put("\\n");
        } else if (byte == '\t') {
            put("\\t");
        } else if (byte == '\r') {
            put("\\r");
        } else if (byte < 0x20) {
            put("\\u");
            put_hex(byte, 4);
        } else if (const std::size_t valid = utf8_character(text); valid != 0) {
            put(text.substr(0, valid));
            used = valid;
        } else {
            put(kReplacement);
        }
        text.remove_prefix(used);
    }
    put('"');
}

std::size_t utf8_character(std::string_view text) {
    // the table of well-formed byte sequences of the Unicode standard (table 3-7): no overlong form, no surrogate,
    // nothing above U+10FFFF
    const auto lead = static_cast<unsigned char>(text[0]);
    if (lead < 0x80) return 1;
    if (lead < 0xC2 || lead > 0xF4) return 0;
    const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (text.size() < length) return 0;
    const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    const unsigned high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    if (!is_between(text[1], low, high)) return 0;
    for (std::size_t i = 2; i < length; ++i)
        if (!is_continuation(text[i])) return 0;
    return length;
}

namespace {

/// One or two digits are two.
char* put_two(char* out, std::uint64_t value, char after) noexcept {
    *out++ = static_cast<char>('0' + value / 10 % 10);
    *out++ = static_cast<char>('0' + value % 10);
    *out++ = after;
    return out;
}

}  // namespace

char* put_second(char* out, std::uint64_t second) noexcept {
    using namespace std::chrono;
    const sys_seconds instant{seconds{static_cast<std::int64_t>(second)}};
    const auto day = floor<days>(instant);
    const year_month_day date{day};
    const hh_mm_ss time{instant - day};
    const auto year = static_cast<std::uint64_t>(static_cast<int>(date.year()));
    out = put_two(out, year / 100, '0') - 1;
    out = put_two(out, year % 100, '-');
    out = put_two(out, static_cast<unsigned>(date.month()), '-');
    out = put_two(out, static_cast<unsigned>(date.day()), 'T');
    out = put_two(out, static_cast<std::uint64_t>(time.hours().count()), ':');
    out = put_two(out, static_cast<std::uint64_t>(time.minutes().count()), ':');
    return put_two(out, static_cast<std::uint64_t>(time.seconds().count()), '.');
}

void TimeFormatter::begin_second(std::uint64_t second) {
    std::array<char, kSecondBytes> text{};
    put_second(text.data(), second);
    up_to_second_ = Piece{before_ + std::string{text.data(), text.size()}};
    second_ns_ = second * kNsPerSecond;
}

void TimeFormatter::begin_part(std::uint64_t ts_ns) {
    if (ts_ns - second_ns_ >= kNsPerSecond) begin_second(ts_ns / kNsPerSecond);
    const std::uint64_t parts = (ts_ns - second_ns_) / kPartNs;
    part_ns_ = second_ns_ + parts * kPartNs;
    char* const digits = up_to_second_.put(part_.data());
    constexpr unsigned kBefore = 3;  // of eight digits: these are five
    digits::put_bytes(digits, (digits::eight(static_cast<std::uint32_t>(parts)) | digits::kZeros) >> (8 * kBefore));
    part_size_ = static_cast<std::size_t>(digits - part_.data()) + 5;
}

std::optional<std::uint64_t> parse_time(std::string_view text) {
    using namespace std::chrono;
    constexpr std::size_t kUpToSecond = 19;  // "2026-11-23T15:43:08"
    if (text.size() <= kUpToSecond || text.back() != 'Z') return std::nullopt;
    if (text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') return std::nullopt;
    const auto y = digits_at(text, 0, 4), mo = digits_at(text, 5, 2), d = digits_at(text, 8, 2);
    const auto h = digits_at(text, 11, 2), mi = digits_at(text, 14, 2), s = digits_at(text, 17, 2);
    if (!y || !mo || !d || !h || !mi || !s || *h > 23 || *mi > 59 || *s > 59) return std::nullopt;
    const year_month_day date{year{static_cast<int>(*y)}, month{static_cast<unsigned>(*mo)},
                              day{static_cast<unsigned>(*d)}};
    if (!date.ok() || *y < 1970) return std::nullopt;

    std::uint64_t fraction_ns = 0;
    if (text[kUpToSecond] == '.') {
        const std::size_t digits = text.size() - kUpToSecond - 2;
        const auto fraction = digits_at(text, kUpToSecond + 1, digits);
        if (digits < 1 || digits > 9 || !fraction) return std::nullopt;
        fraction_ns = *fraction;
        for (std::size_t i = digits; i < 9; ++i)
            fraction_ns *= 10;
    } else if (text.size() != kUpToSecond + 1) {
        return std::nullopt;
    }
    const auto days_since_epoch = static_cast<std::uint64_t>(sys_days{date}.time_since_epoch().count());
    const std::uint64_t second = ((days_since_epoch * 24 + *h) * 60 + *mi) * 60 + *s;
    // the last instant that 64 bits of nanoseconds can tell lies in the year 2554
    constexpr std::uint64_t kMax = ~std::uint64_t{0};
    if (second > kMax / kNsPerSecond || second * kNsPerSecond > kMax - fraction_ns) return std::nullopt;
    return second * kNsPerSecond + fraction_ns;
}

std::optional<std::uint64_t> parse_instance(std::string_view text) {
    if (text.size() != 12) return std::nullopt;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return value;
}

}  // namespace tiffany::pal
