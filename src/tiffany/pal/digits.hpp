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

/// Four digits of each of two numbers below 10^4, one in each byte, the first in the lowest, those of the lower half
/// first. All at once: four numbers below 100, eight below 10; the factors are 1 / 100 and 1 / 10, exact in these
/// ranges.
constexpr std::uint64_t fours(std::uint64_t halves) noexcept {
    // x - 100 * h beside h is x << 16 minus so many h; the rest likewise
    const std::uint64_t hundreds = halves * 10'486 >> 20 & 0x0000'007f'0000'007f;
    const std::uint64_t pairs = (halves << 16) - hundreds * ((100 << 16) - 1);
    const std::uint64_t tens = pairs * 103 >> 10 & 0x000f'000f'000f'000f;
    return (pairs << 8) - tens * ((10 << 8) - 1);
}

/// Of one such number.
constexpr std::uint32_t four(std::uint32_t value) noexcept {
    const std::uint32_t hundreds = value * 10'486 >> 20;
    const std::uint32_t pairs = (value << 16) - hundreds * ((100 << 16) - 1);
    const std::uint32_t tens = pairs * 103 >> 10 & 0x000f'000f;
    return (pairs << 8) - tens * ((10 << 8) - 1);
}

/// The eight digits of a number below 10^8, likewise.
constexpr std::uint64_t eight(std::uint32_t value) noexcept {
    const std::uint64_t thousands = value / 10'000;
    return fours((std::uint64_t{value} << 32) - thousands * ((std::uint64_t{10'000} << 32) - 1));
}

/// The lowest byte first.
inline void put_bytes(char* out, std::uint64_t bytes) noexcept {
    if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap64(bytes);
    std::memcpy(out, &bytes, sizeof bytes);
}

inline constexpr std::uint64_t kZeros = 0x3030'3030'3030'3030;  // "00000000"

/// How many of eight digits are left without zeros before them; the last one is.
constexpr unsigned count(std::uint64_t eight) noexcept {
    return 8 - static_cast<unsigned>(std::countr_zero(eight | std::uint64_t{1} << 56)) / 8;
}

/// At most 8 digits; writes 8 bytes.
inline char* put_short(char* out, std::uint32_t value) noexcept {
    const std::uint64_t all = eight(value);
    const unsigned digits = count(all);
    put_bytes(out, (all | kZeros) >> (64 - 8 * digits));
    return out + digits;
}

/// The same of four of `fours`.
inline char* put_four(char* out, std::uint32_t four) noexcept {
    constexpr std::uint32_t kLast = std::uint32_t{1} << 24;
    const unsigned before = static_cast<unsigned>(std::countr_zero(four | kLast)) / 8;  // zeros
    std::uint32_t bytes = (four | static_cast<std::uint32_t>(kZeros)) >> (8 * before);
    if constexpr (std::endian::native == std::endian::big) bytes = __builtin_bswap32(bytes);
    std::memcpy(out, &bytes, sizeof bytes);
    return out + 4 - before;
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
    if (value < 10'000) return digits::put_four(out, digits::four(static_cast<std::uint32_t>(value)));
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

/// Writes numbers as put_number does, of which many are the one before or 1 more: then its last digit counts on.
class NearNumber {
  public:
    char* put(char* out, std::uint64_t value) noexcept {
        const std::uint64_t more = value - last_;
        if (more > 1 || ascii_ + more * kOne > kNine) {
            if (value >= kMost) return put_number(out, value);
            const std::uint64_t eight = digits::eight(static_cast<std::uint32_t>(value));
            ascii_ = eight | digits::kZeros;
            digits_ = digits::count(eight);
        } else {
            ascii_ += more * kOne;
        }
        last_ = value;
        digits::put_bytes(out, ascii_ >> (64 - 8 * digits_));
        return out + digits_;
    }

  private:
    static constexpr std::uint64_t kMost = 100'000'000;
    static constexpr std::uint64_t kOne = std::uint64_t{1} << 56;  // of the last digit
    static constexpr std::uint64_t kNine = ('9' + std::uint64_t{1}) * kOne - 1;

    std::uint64_t last_ = 0;
    std::uint64_t ascii_ = digits::kZeros;  // its last digit is in the highest byte
    unsigned digits_ = 1;
};

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
