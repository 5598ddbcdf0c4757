#include <gtest/gtest.h>

#include <algorithm>
#include <tiffany/telemetry/detail/shard.hpp>
#include <vector>

namespace tiffany::detail {
namespace {

/// By definition: the first bound that the value is not above.
std::size_t bucket_of(const std::vector<std::uint64_t>& bounds, std::uint64_t value) {
    return static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
}

void expect_right_buckets(const std::vector<std::uint64_t>& bounds) {
    std::vector<std::uint64_t> values{1, 2, UINT64_MAX - 1, UINT64_MAX};
    for (const std::uint64_t bound : bounds)
        for (const std::uint64_t value : {bound - 1, bound, bound + 1})
            if (value != 0) values.push_back(value);
    const Bounds made{bounds};
    HistogramShard shard;
    std::vector<std::uint64_t> expected(kMaxBuckets + 1, 0);
    std::uint64_t sum = 0;
    for (const std::uint64_t before : values)
        for (const std::uint64_t after : values)
            for (const std::uint64_t value : {before, after}) {
                shard.observe(made, value);
                ++expected[bucket_of(bounds, value)];
                sum += value;
            }
    for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_EQ(shard.buckets[i].load(), expected[i]) << "bucket " << i;
    EXPECT_EQ(shard.sum_ns.load(), sum);
}

TEST(HistogramShard, AValueGoesToItsBucketWhateverCameBefore) {
    expect_right_buckets({1'000, 2'500, 5'000, 1'000'000});
}

TEST(HistogramShard, BoundsMayLieCloseTogether) {
    expect_right_buckets({1, 2, 3, 64, 65, 66, 70, 127, 128});
}

TEST(HistogramShard, WithoutBoundsAllIsInOneBucket) {
    expect_right_buckets({});
}

TEST(HistogramShard, TheLastBoundMayBeTheLargestNumber) {
    expect_right_buckets({7, UINT64_MAX - 1});
}

}  // namespace
}  // namespace tiffany::detail
