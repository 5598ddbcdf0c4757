#include <gtest/gtest.h>
#include <tiffany/pal/number_hash.hpp>

#include <algorithm>
#include <unordered_set>

namespace tiffany::pal::test {
namespace {

/// How many of `count` numbers that lie `apart` share one bucket of a table of so many.
std::size_t most_in_a_bucket(std::size_t count, std::uint64_t apart) {
    std::unordered_set<std::uint64_t, NumberHash> table;
    for (std::uint64_t i = 0; i < count; ++i)
        table.insert(i * apart);
    std::size_t most = 0;
    for (std::size_t bucket = 0; bucket < table.bucket_count(); ++bucket)
        most = std::max(most, table.bucket_size(bucket));
    return most;
}

TEST(NumberHash, SpreadsNumbersThatWereChosenForTheSizeOfTheTable) {
    constexpr std::size_t kCount = 10'000;
    std::unordered_set<std::uint64_t> plain;
    for (std::uint64_t i = 0; i < kCount; ++i)
        plain.insert(i);
    // a good hash has 7 or 8 in the fullest; more than 24 is as likely as 1 in 10^20
    for (const std::uint64_t apart :
         {std::uint64_t{1}, std::uint64_t{plain.bucket_count()}, std::uint64_t{1} << 32, std::uint64_t{1} << 50})
        EXPECT_LE(most_in_a_bucket(kCount, apart), 24u) << apart;
}

TEST(NumberHash, IsTheSameInOneProcess) {
    EXPECT_EQ(NumberHash{}(42), NumberHash{}(42));
    EXPECT_NE(NumberHash{}(42), NumberHash{}(43));
}

}  // namespace
}  // namespace tiffany::pal::test
