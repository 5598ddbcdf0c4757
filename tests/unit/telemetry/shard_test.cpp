#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <tiffany/telemetry/detail/shard.hpp>
#include <vector>

#include "telemetry/read_histogram.hpp"

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
    Pending pending;
    std::vector<std::uint64_t> expected(kMaxBuckets + 1, 0);
    std::uint64_t sum = 0;
    for (const std::uint64_t before : values)
        for (const std::uint64_t after : values)
            for (const std::uint64_t value : {before, after}) {
                pending.replace(shard.add_to_sum(made, value));
                ++expected[bucket_of(bounds, value)];
                sum += value;
            }
    pending.settle();
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

/// A worker's histogram of two buckets, and those who read it.
struct Read {
    Bounds bounds{std::vector<std::uint64_t>{100}};
    HistogramShard shard;
    HistogramShard wait;
    Pending pending;
    ToldPending told;

    Bucket& observe(std::uint64_t ns) { return shard.add_to_sum(bounds, ns); }
    HistogramSnapshot scrape(const HistogramShard& of) {
        HistogramSnapshot total{{100}, {0, 0}, 0};
        add_histogram(total, of, pending, told);
        return total;
    }
    std::vector<std::uint64_t> counts() { return scrape(shard).counts; }
};
using Counts = std::vector<std::uint64_t>;

TEST(Pending, AScrapeCountsWhatIsPendingOnce) {
    Read read;
    EXPECT_EQ(read.counts(), (Counts{0, 0}));
    read.pending.replace(read.observe(100));
    EXPECT_EQ(read.counts(), (Counts{1, 0}));
    EXPECT_EQ(read.counts(), (Counts{1, 0})) << "it is still the same";
    read.pending.replace(read.observe(101));
    EXPECT_EQ(read.counts(), (Counts{1, 1}));
    read.pending.settle();
    EXPECT_EQ(read.counts(), (Counts{1, 1}));
    EXPECT_EQ(read.scrape(read.shard).sum_ns, 201u);
}

TEST(Pending, WhatIsPendingForOneHistogramIsInNoOther) {
    Read read;
    read.pending.replace(read.wait.add_to_sum(read.bounds, 500));
    EXPECT_EQ(read.counts(), (Counts{0, 0}));
    EXPECT_EQ(read.scrape(read.wait).counts, (Counts{0, 1}));
    read.pending.replace(read.observe(7));
    EXPECT_EQ(read.counts(), (Counts{1, 0}));
    EXPECT_EQ(read.scrape(read.wait).counts, (Counts{0, 1}));
    read.pending.settle();
    EXPECT_EQ(read.counts(), (Counts{1, 0}));
    EXPECT_EQ(read.scrape(read.wait).counts, (Counts{0, 1}));
}

// A worker that is put off its CPU between two stores stays there for as long as the kernel likes.
TEST(Pending, WhatWasToldStandsWhileAWorkerIsInTheMiddleOfRaisingIt) {
    Read read;
    Bucket& bucket = read.observe(7);
    read.pending.replace(bucket);
    read.pending.replace(read.observe(700));
    ASSERT_EQ(read.counts(), (Counts{1, 1}));
    read.pending.begin();
    EXPECT_EQ(read.counts(), (Counts{1, 1})) << "it is not raised yet";
    add(bucket, 1);
    EXPECT_EQ(read.counts(), (Counts{1, 1})) << "it is";
}

TEST(Pending, TwoInOneBucketAreTwo) {
    Read read;
    read.pending.replace(read.observe(7));
    read.pending.replace(read.observe(7));
    EXPECT_EQ(read.counts(), (Counts{2, 0}));
    read.pending.begin();
    EXPECT_EQ(read.counts(), (Counts{2, 0})) << "what was told stands";
}

// Else the clock read for the end of a run and the begin of the next would be waited for by the one after it.
TEST(Pending, WhatTwoHooksMeasureAtOneMomentIsNotRaisedByTheSecond) {
    Read read;
    Bucket& run = read.observe(7);
    Bucket& ready = read.observe(700);
    read.pending.replace(run);
    read.pending.replace(ready);
    EXPECT_EQ(run.load(), 0u);
    read.pending.replace(read.observe(7));
    EXPECT_EQ(run.load(), 1u);
    EXPECT_EQ(ready.load(), 0u);
}

TEST(Pending, WhatNobodyWasToldMayBeMissingForAMoment) {
    Read read;
    read.pending.replace(read.observe(7));
    const std::uint64_t version = read.pending.begin();
    EXPECT_EQ(read.counts(), (Counts{0, 0}));
    read.pending.end(version, read.observe(700));
    EXPECT_EQ(read.counts(), (Counts{1, 1}));
}

TEST(Pending, WhatWasToldHoldsNoBucketBackThatWasRaisedSince) {
    Read read;
    read.pending.replace(read.observe(7));
    ASSERT_EQ(read.counts(), (Counts{1, 0}));
    for (int i = 0; i < 5; ++i)
        read.pending.replace(read.observe(7));
    read.pending.begin();
    EXPECT_EQ(read.counts(), (Counts{4, 0})) << "all but two are raised";
}

TEST(Pending, NoScrapeTellsLessThanTheOneBeforeWhileTheWorkerGoesOn) {
    constexpr std::uint64_t kDurations = 300'000;
    Read read;
    std::atomic<bool> over{false};
    std::thread worker{[&] {
        for (std::uint64_t i = 0; i < kDurations; ++i)
            read.pending.replace(read.observe(i % 3 == 0 ? 7 : 700));
        over = true;
    }};
    Counts last{0, 0};
    do {
        const Counts now = read.counts();
        for (const std::size_t i : {0u, 1u}) {
            EXPECT_GE(now[i], last[i]);
            EXPECT_LE(now[i], i == 0 ? kDurations / 3 : kDurations - kDurations / 3);
        }
        last = now;
    } while (!over);
    worker.join();
    EXPECT_EQ(read.counts(), (Counts{kDurations / 3, kDurations - kDurations / 3}));
}

}  // namespace
}  // namespace tiffany::detail
