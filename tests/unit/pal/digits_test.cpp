#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <string>
#include <tiffany/pal/digits.hpp>

namespace tiffany::pal::test {
namespace {

std::string number_put(std::uint64_t value) {
    std::array<char, kMaxDigits> room{};
    return {room.data(), put_number(room.data(), value)};
}

TEST(Digits, AreTheStandardLibrarysAtEveryLength) {
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, ~std::uint64_t{0}, std::uint64_t{1} << 63})
        EXPECT_EQ(number_put(value), std::to_string(value));
    std::uint64_t power = 10;
    for (int digits = 2; digits <= 20; ++digits, power *= 10)
        for (const std::uint64_t value : {power - 1, power, power + 1, power + power / 2 + 7})
            EXPECT_EQ(number_put(value), std::to_string(value));
}

TEST(Digits, AreTheStandardLibrarysWhateverStandsInAnyPlace) {
    // every digit in every place, beside others that differ
    for (std::uint32_t value = 0; value < 100'000'000; value += 9'973)
        ASSERT_EQ(number_put(value), std::to_string(value));
    for (std::uint32_t pair = 0; pair < 10'000; ++pair) {
        ASSERT_EQ(number_put(pair), std::to_string(pair));
        ASSERT_EQ(number_put(pair * 10'000), std::to_string(pair * 10'000));
    }
}

TEST(Digits, OfTwoNumbersAtOnceAreThoseOfEach) {
    const auto put = [](std::uint32_t four) {
        std::array<char, 4> room{};
        return std::string(room.data(), digits::put_four(room.data(), four));
    };
    for (std::uint64_t value = 0; value < 10'000; ++value) {
        const std::uint64_t other = 9'999 - value;
        const std::uint64_t both = digits::fours(value | other << 32);
        ASSERT_EQ(put(static_cast<std::uint32_t>(both)), std::to_string(value));
        ASSERT_EQ(put(static_cast<std::uint32_t>(both >> 32)), std::to_string(other));
        ASSERT_EQ(digits::four(static_cast<std::uint32_t>(value)), static_cast<std::uint32_t>(both));
    }
}

TEST(Digits, OfNumbersThatAreNearAreThoseOfEachByItself) {
    NearNumber near;
    const auto put = [&near](std::uint64_t value) {
        std::array<char, kMaxDigits> room{};
        return std::string(room.data(), near.put(room.data(), value));
    };
    for (std::uint64_t value = 0; value < 1'200; ++value) {
        ASSERT_EQ(put(value), std::to_string(value));
        ASSERT_EQ(put(value), std::to_string(value)) << "once more";
    }
    for (std::uint64_t value = 99'999'990; value < 100'000'010; ++value)
        ASSERT_EQ(put(value), std::to_string(value));
    for (const std::uint64_t value : {~std::uint64_t{0}, std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{6}})
        ASSERT_EQ(put(value), std::to_string(value));
}

TEST(Digits, OfNanosecondsAreNineWithTheirZeros) {
    std::array<char, 9> room{};
    for (const std::uint32_t value : {0u, 7u, 99'999'999u, 100'000'000u, 987'654'321u, 999'999'999u}) {
        const std::string all = "000000000" + std::to_string(value);
        EXPECT_EQ(std::string(room.data(), put_9_digits(room.data(), value)), all.substr(all.size() - 9));
    }
}

TEST(Piece, IsItsTextAtEveryLengthAndNoLonger) {
    for (std::size_t size = 0; size <= Piece::kMost; ++size) {
        const std::string text(size, 'x');
        std::array<char, 2 * Piece::kMost> room{};
        EXPECT_EQ(std::string(room.data(), Piece{text}.put(room.data())), text);
    }
    EXPECT_THROW(Piece{std::string(Piece::kMost + 1, 'x')}, std::length_error);
}

}  // namespace
}  // namespace tiffany::pal::test
