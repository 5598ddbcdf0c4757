#pragma once
/// Formatting by hand, as the log needs it. Private to pal.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "digits.hpp"

namespace tiffany::pal {

/// A growing buffer that keeps its memory. Not shared.
class TextBuffer {
  public:
    std::string_view view() const { return {bytes_.data(), size_}; }
    std::size_t size() const { return size_; }
    void clear() { size_ = 0; }

    void put(char byte) { *room(1) = byte, ++size_; }
    void put(std::string_view text) {
        std::memcpy(room(text.size()), text.data(), text.size());
        size_ += text.size();
    }
    void put_number(std::uint64_t value) { end_at(pal::put_number(room(kMaxDigits), value)); }
    /// Exactly `digits` digits, with zeros in front.
    void put_padded(std::uint64_t value, std::size_t digits) {
        char* at = room(digits);
        for (std::size_t i = digits; i-- > 0; value /= 10)
            at[i] = static_cast<char>('0' + value % 10);
        size_ += digits;
    }
    /// Exactly `digits` hexadecimal digits.
    void put_hex(std::uint64_t value, std::size_t digits);
    /// A JSON string with its quotes; bytes that are no UTF-8 become U+FFFD.
    void put_quoted(std::string_view text);

    /// From now on there is room for so many bytes in all.
    void reserve(std::size_t bytes) {
        if (bytes_.size() < bytes) bytes_.resize(bytes);
    }
    char* end() { return bytes_.data() + size_; }
    /// For what is written by hand: where the text goes on, with so many bytes free. `end_at` says where it ended.
    char* room(std::size_t bytes) {
        if (bytes_.size() - size_ < bytes) bytes_.resize((bytes_.size() + bytes) * 2);
        return bytes_.data() + size_;
    }
    void end_at(const char* end) { size_ = static_cast<std::size_t>(end - bytes_.data()); }

  private:
    bool put_plain(std::string_view text);

    std::vector<char> bytes_ = std::vector<char>(1024);
    std::size_t size_ = 0;
};

/// How many bytes at the front of `text` are one valid UTF-8 character; 0 if it begins with none. `text` is not empty.
std::size_t utf8_character(std::string_view text);

inline constexpr std::size_t kSecondBytes = 20;
/// Writes "2026-11-23T15:43:08." where kSecondBytes are free; returns the end. Takes no lock, unlike gmtime_r and
/// strftime: a forked child may call it though another thread of its parent did so at the fork.
/// @param second  since 1970, UTC; up to the year 9999
char* put_second(char* out, std::uint64_t second) noexcept;

/// Puts "2026-11-23T15:43:08.947684687Z", and a text before it. Remembers it up to the last four digits, because
/// records come many in 10 us.
class TimeFormatter {
  public:
    /// At most 15 bytes, else std::length_error.
    explicit TimeFormatter(std::string_view before = {}) : before_{before} {
        if (before.size() > 15) throw std::length_error{"a text before a time is too long"};
        begin_second(0);
        begin_part(0);
    }

    void put(TextBuffer& out, std::uint64_t ts_ns) { out.end_at(put(out.room(kRoom), ts_ns)); }
    /// The same to where kRoom bytes are free; returns the end.
    char* put(char* out, std::uint64_t ts_ns) {
        if (ts_ns - part_ns_ >= kPartNs) [[unlikely]]  // also one before it
            begin_part(ts_ns);
        std::memcpy(out, part_.data(), part_.size());
        out += part_size_;
        constexpr std::uint64_t kFourAndZ = (digits::kZeros & 0xffff'ffff) | std::uint64_t{'Z'} << 32;
        digits::put_bytes(out, digits::four(static_cast<std::uint32_t>(ts_ns - part_ns_)) | kFourAndZ);
        return out + 5;
    }
    static constexpr std::size_t kRoom = Piece::kMost + 8;

  private:
    static constexpr std::uint64_t kNsPerSecond = 1'000'000'000;
    static constexpr std::uint64_t kPartNs = 10'000;
    void begin_second(std::uint64_t second);
    void begin_part(std::uint64_t ts_ns);

    std::string before_;
    std::uint64_t second_ns_ = 0;  // where the second begins
    std::uint64_t part_ns_ = 0;
    Piece up_to_second_;                     // "2026-11-23T15:43:08.", and what is before it
    std::array<char, Piece::kMost> part_{};  // and five digits more
    std::size_t part_size_ = 0;
};

/// The other way: RFC 3339 in UTC, with no fraction or one of 1 to 9 digits. Nothing for everything else.
std::optional<std::uint64_t> parse_time(std::string_view text);
/// Exactly 12 hexadecimal digits.
std::optional<std::uint64_t> parse_instance(std::string_view text);

}  // namespace tiffany::pal
