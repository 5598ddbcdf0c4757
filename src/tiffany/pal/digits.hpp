#pragma once
/// The fastest way to text that a reader of logs still understands: numbers by eight digits at a time, short texts by
/// whole registers. Everything here writes where there is room and returns the end. Private to pal and to the process's
/// own log.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string_view>

namespace tiffany::pal {

inline constexpr std::size_t kMaxDigits = 20;  ///< of the largest u64

namespace digits {

/// The eight digits of a number below 10^8, one in each byte, the first in the lowest. By halves, all at once: two
/// numbers below 10^4, four below 100, eight below 10; the factors are 1 / 100 and 1 / 10, exact in these ranges.
constexpr std::uint64_t eight(std::uint32_t value) noexcept {
    const std::uint64_t fours = value / 10'000 | std::uint64_t{value % 10'000} << 32;
    const std::uint64_t hundreds = fours * 10'486 >> 20 & 0x0000'007f'0000'007f;
    const std::uint64_t pairs = hundreds + ((fours - 100 * hundreds) << 16);
    const std::uint64_t tens = pairs * 103 >> 10 & 0x000f'000f'000f'000f;
    return tens + ((pairs - 10 * tens) << 8);
}

/// The lowest byte first.
inline void put_bytes(char* out, std::uint64_t bytes) noexcept {
    if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
    std::memcpy(out, &bytes, sizeof bytes);
}

inline constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030;  // "00000000"

/// At most 8 digits; writes 8 bytes.
inline char* put_short(char* out, std::uint32_t value) noexcept {
    const std::uint64_t all = eight(value);
    const int leading = std::countr_zero(all | std::uint64_t{1} << 56) & ~7;  // bits of zeros before it, but the last
    put_bytes(out, (all | kZeros) >> leading);
    return out + 8 - leading / 8;
}

}  // namespace digits

/// Exactly 8 digits.
inline char* put_8_digits(char* out, std::uint32_t value) noexcept {
    digits::put_bytes(out, digits::eight(value) | digits::kZeros);
    return out + 8;
}

/// Exactly 9 digits: the nanoseconds of a second.
inline char* put_9_digits(char* out, std::uint32_t value) noexcept {
    *out++ = static_cast<char>('0' + value / 100'000'000);
    return put_8_digits(out, value % 100'000'000);
}

/// At most kMaxDigits, for which there is room whatever the number is.
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
    constexpr explicit Piece(std::string_view text = {}) : size_{text.size()} {
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
