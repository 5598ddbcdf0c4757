#pragma once
/// The fastest way to text that a reader of logs still understands: numbers by pairs of digits, short texts by whole
/// registers. Everything here writes where there is room and returns the end. Private to pal and to the process's own
/// log.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace tiffany::pal {

inline constexpr std::size_t kMaxDigits = 20;  ///< of the largest u64

namespace digits {

// "00" to "99"
inline constexpr auto kPairs = [] {
    std::array<char, 200> pairs{};
    for (std::size_t i = 0; i < 100; ++i) {
        pairs[2 * i] = static_cast<char>('0' + i / 10);
        pairs[2 * i + 1] = static_cast<char>('0' + i % 10);
    }
    return pairs;
}();

inline void put_pair(char* out, std::uint32_t below_100) noexcept {
    std::memcpy(out, &kPairs[2 * std::size_t{below_100}], 2);
}

inline std::size_t count(std::uint32_t value) noexcept {
    if (value < 10'000) return value < 100 ? (value < 10 ? 1 : 2) : (value < 1'000 ? 3 : 4);
    if (value < 1'000'000) return value < 100'000 ? 5 : 6;
    return value < 10'000'000 ? 7 : 8;
}

/// At most 8 digits.
inline char* put_short(char* out, std::uint32_t value) noexcept {
    const std::size_t digits = count(value);
    char* at = out + digits;
    while (value >= 100) {
        at -= 2;
        put_pair(at, value % 100);
        value /= 100;
    }
    if (value >= 10)
        put_pair(at - 2, value);
    else
        at[-1] = static_cast<char>('0' + value);
    return out + digits;
}

}  // namespace digits

/// Exactly 8 digits.
inline char* put_8_digits(char* out, std::uint32_t value) noexcept {
    const std::uint32_t high = value / 10'000;
    const std::uint32_t low = value % 10'000;
    digits::put_pair(out, high / 100);
    digits::put_pair(out + 2, high % 100);
    digits::put_pair(out + 4, low / 100);
    digits::put_pair(out + 6, low % 100);
    return out + 8;
}

/// Exactly 9 digits: the nanoseconds of a second.
inline char* put_9_digits(char* out, std::uint32_t value) noexcept {
    *out++ = static_cast<char>('0' + value / 100'000'000);
    return put_8_digits(out, value % 100'000'000);
}

/// At most kMaxDigits.
inline char* put_number(char* out, std::uint64_t value) noexcept {
    constexpr std::uint64_t k8 = 100'000'000;
    if (value < k8) return digits::put_short(out, static_cast<std::uint32_t>(value));
    const std::uint64_t high = value / k8;
    const auto low = static_cast<std::uint32_t>(value % k8);
    if (high < k8) {
        out = digits::put_short(out, static_cast<std::uint32_t>(high));
    } else {
        out = digits::put_short(out, static_cast<std::uint32_t>(high / k8));
        out = put_8_digits(out, static_cast<std::uint32_t>(high % k8));
    }
    return put_8_digits(out, low);
}

/// Exactly `digits` hexadecimal digits.
inline char* put_hex(char* out, std::uint64_t value, std::size_t digits) noexcept {
    for (std::size_t i = digits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 0xf];
    return out + digits;
}

/// A short text that is copied by whole registers: more than it has, for there is room, and without a call.
class Piece {
  public:
    static constexpr std::size_t kMost = 48;  ///< so much room `put` needs
    /// Errors: std::length_error.
    explicit Piece(std::string_view text = {}) : size_{text.size()} {
        if (text.size() > kMost) throw std::length_error{"a text of the catalogue is too long"};
        std::ranges::copy(text, bytes_.begin());  // also an empty one, which memcpy must not be given
    }
    char* put(char* out) const noexcept {
        std::memcpy(out, bytes_.data(), 16);
        if (size_ > 16) std::memcpy(out + 16, bytes_.data() + 16, kMost - 16);
        return out + size_;
    }

  private:
    std::array<char, kMost> bytes_{};
    std::size_t size_ = 0;
};

}  // namespace tiffany::pal
