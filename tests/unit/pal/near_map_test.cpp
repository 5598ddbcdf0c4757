#include <gtest/gtest.h>
#include <tiffany/pal/near_map.hpp>

#include <map>
#include <random>

namespace tiffany::pal::test {
namespace {

TEST(NearMap, TellsKeysApartThatShareTheirLowestBits) {
    NearMap<int> map;
    constexpr std::uint64_t kApart = 1 << 16;
    for (std::uint64_t i = 0; i < 4; ++i)
        map.at(7 + i * kApart) = static_cast<int>(i);
    for (std::uint64_t i = 0; i < 4; ++i)
        EXPECT_EQ(*map.find(7 + i * kApart), static_cast<int>(i));
    EXPECT_EQ(map.find(8), nullptr);
    EXPECT_EQ(map.find(0), nullptr);
}

TEST(NearMap, ForgetsWhatWasErasedAndKeepsTheOthersInTheirPlaces) {
    NearMap<int> map;
    int* const kept = &map.at(1);
    map.at(2) = 2;
    map.erase(2);
    map.erase(3);
    EXPECT_EQ(map.find(2), nullptr);
    EXPECT_EQ(map.at(2), 0);
    for (std::uint64_t key = 100; key < 5'000; ++key)
        map.at(key) = 1;
    EXPECT_EQ(map.find(1), kept);
    map.erase_if([](std::uint64_t key, int) { return key >= 100; });
    EXPECT_EQ(map.find(100), nullptr);
    EXPECT_EQ(map.find(4'999), nullptr);
    EXPECT_EQ(map.find(1), kept);
}

// With std::hash, which a number is its own of, these share one bucket: minutes.
TEST(NearMap, EndsWhateverNumbersItIsGiven) {
    constexpr std::uint64_t kCount = 172'933;  // as many buckets as libstdc++'s table has then
    NearMap<int> map;
    for (std::uint64_t i = 0; i < kCount; ++i)
        map.at(i * kCount) = 1;
    EXPECT_EQ(std::distance(map.begin(), map.end()), static_cast<std::ptrdiff_t>(kCount));
}

TEST(NearMap, IsLikeAnyOtherMap) {
    NearMap<std::uint64_t> map;
    std::map<std::uint64_t, std::uint64_t> other;
    std::mt19937_64 random{1};
    for (std::uint64_t i = 0; i < 100'000; ++i) {
        const std::uint64_t key = random() % 10'000;
        if (random() % 3 == 0) {
            map.erase(key);
            other.erase(key);
        } else if (random() % 2 == 0) {
            map.at(key) = other[key] = i;
        } else {
            const std::uint64_t* const found = map.find(key);
            const auto wanted = other.find(key);
            ASSERT_EQ(found != nullptr, wanted != other.end());
            if (found != nullptr) {
                ASSERT_EQ(*found, wanted->second);
            }
        }
    }
}

TEST(NearMap, IsNearOnlyToWhatItHas) {
    NearMap<int> map;
    EXPECT_EQ(map.near(0), nullptr);
    map.at(0) = 7;
    ASSERT_NE(map.near(0), nullptr);
    EXPECT_EQ(*map.near(0), 7);
    EXPECT_EQ(map.near(64), nullptr);
    for (std::uint64_t key = 1; key <= 100; ++key) {
        map.at(key) = static_cast<int>(key);
        ASSERT_NE(map.near(key), nullptr) << key;
        EXPECT_EQ(*map.near(key), static_cast<int>(key));
    }
    map.erase(100);
    EXPECT_EQ(map.near(100), nullptr);
}

}  // namespace
}  // namespace tiffany::pal::test
