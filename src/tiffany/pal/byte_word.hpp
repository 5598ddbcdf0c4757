#pragma once
/// Text read eight bytes at a time: what is found in a word is found at its first byte in the text's order. Every
/// function but the last reads eight bytes, whatever the text's end: who calls them has that much behind it. Private to
/// pal.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tiffany::pal {

inline constexpr std::size_t kWord = sizeof(std::uint64_t);

/// The eight bytes at `at`, the first of them the lowest.
inline std::uint64_t word_at(const char* at) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, kWord);
    if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
    return word;
}

constexpr std::uint64_t eight_of(unsigned char byte) {
    return std::uint64_t{0x0101'0101'0101'0101} * byte;
}

// The marks below have the highest bit of each byte that was looked for. Above the first mark they may be wrong,
// because a subtraction borrows from there: only the first one counts.

/// Where a byte is less than `limit`, which is at most 128.
constexpr std::uint64_t mark_less(std::uint64_t word, unsigned char limit) {
    return (word - eight_of(limit)) & ~word & eight_of(0x80);
}
constexpr std::uint64_t mark_equal(std::uint64_t word, unsigned char byte) {
    return mark_less(word ^ eight_of(byte), 1);
}
/// How many bytes come before the first mark: 8 if there is none.
constexpr std::size_t before_mark(std::uint64_t marks) {
    return static_cast<std::size_t>(std::countr_zero(marks)) / 8;
}

/// Zero in the bytes that are digits, up to the first that is none.
constexpr std::uint64_t no_digits(std::uint64_t word) {
    constexpr std::uint64_t kHigh = eight_of(0xf0);
    // '0' to '9' are 0x30 to 0x39: the high half is 3, and still is after 6 was added. What one byte carries into the
    // next comes from no digit.
    return ((word & kHigh) | ((word + eight_of(6)) & kHigh) >> 4) ^ eight_of(0x33);
}
constexpr bool is_all_digits(std::uint64_t word) {
    return no_digits(word) == 0;
}
/// How many digits the word begins with.
constexpr std::size_t count_digits(std::uint64_t word) {
    return static_cast<std::size_t>(std::countr_zero(no_digits(word))) / 8;
}

/// The number that its first `digits` bytes are, which are digits; at least 1.
constexpr std::uint64_t number_in(std::uint64_t word, std::size_t digits) {
    // to the end, with zeros before; then neighbours are joined: to 4 pairs, 2 fours, 1 eight
    word = (word - eight_of('0')) << (64 - 8 * digits);
    word = word * 10 + (word >> 8);
    constexpr std::uint64_t kPairs = 0x0000'00ff'0000'00ff;
    constexpr std::uint64_t kFirst = 100 + (std::uint64_t{1'000'000} << 32);
    constexpr std::uint64_t kSecond = 1 + (std::uint64_t{10'000} << 32);
    return ((word & kPairs) * kFirst + ((word >> 16) & kPairs) * kSecond) >> 32;
}

/// Whether `size` bytes are the same. Stops soon after the first that is not, and reads nothing behind them.
inline bool same_bytes(const char* a, const char* b, std::size_t size) {
    if (size >= kWord) {
        for (std::size_t i = 0; i + kWord <= size; i += kWord)
            if (word_at(a + i) != word_at(b + i)) return false;
        return word_at(a + size - kWord) == word_at(b + size - kWord);
    }
    const auto same_at = [&]<typename Some>(Some one, std::size_t place) {
        Some other = 0;
        std::memcpy(&one, a + place, sizeof one);
        std::memcpy(&other, b + place, sizeof other);
        return one == other;
    };
    if (size >= 4) return same_at(std::uint32_t{}, 0) && same_at(std::uint32_t{}, size - 4);
    if (size >= 2) return same_at(std::uint16_t{}, 0) && same_at(std::uint16_t{}, size - 2);
    return size == 0 || *a == *b;
}

}  // namespace tiffany::pal
