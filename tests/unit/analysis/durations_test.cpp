#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <tiffany/analysis/durations.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <vector>

namespace tiffany::analysis {
namespace {

using Counts = std::vector<std::uint64_t>;

Counts buckets_of(const Durations& seen) {
    return {seen.buckets().begin(), seen.buckets().end()};
}

TEST(Durations, OfNothingAreAllZero) {
    const Durations seen{kDefaultBounds};
    EXPECT_EQ(seen.count(), 0u);
    EXPECT_EQ(seen.max_ns(), 0u);
    EXPECT_EQ(seen.percentile(500), 0u);
    EXPECT_EQ(seen.buckets().size(), 10u);
}

TEST(Durations, OfOneValueAreThatValue) {
    Durations seen{kDefaultBounds};
    seen.add(1'234'567);
    EXPECT_EQ(seen.percentile(500), 1'234'567u);
    EXPECT_EQ(seen.percentile(999), 1'234'567u);
    EXPECT_EQ(seen.sum_ns(), 1'234'567u);
}

TEST(Durations, CountUnknownOnesApartAndNeverAsZero) {
    Durations seen{kDefaultBounds};
    seen.add(0);
    seen.add(100);
    seen.add(0);
    EXPECT_EQ(seen.count(), 1u);
    EXPECT_EQ(seen.unknown(), 2u);
    EXPECT_EQ(seen.percentile(10), 100u);
    EXPECT_EQ(buckets_of(seen), (Counts{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(Durations, PutAValueOnABoundIntoThatBucket) {
    Durations seen{kDefaultBounds};
    for (const std::uint64_t bound : kDefaultBounds) {
        seen.add(bound);
        seen.add(bound + 1);
    }
    EXPECT_EQ(buckets_of(seen), (Counts{1, 2, 2, 2, 2, 2, 2, 2, 2, 1}));
}

TEST(Durations, HaveTheMetricsDefaultBuckets) {
    const auto same = [](std::span<const std::uint64_t> ours, const std::vector<std::uint64_t>& theirs) {
        return std::ranges::equal(ours, theirs);
    };
    EXPECT_TRUE(same(kDefaultBounds, MetricsBuckets::default_ns()));
    EXPECT_TRUE(same(kReadyBounds, MetricsBuckets::default_ready_ns()));
}

TEST(Durations, AreExactBelow128) {
    Durations seen{kDefaultBounds};
    for (std::uint64_t ns = 1; ns <= 127; ++ns)
        seen.add(ns);
    EXPECT_EQ(seen.percentile(500), 64u);
    EXPECT_EQ(seen.percentile(900), 115u);
}

TEST(Durations, PercentilesAreOffByAtMost1Of128) {
    std::mt19937_64 random{7};
    std::lognormal_distribution<double> any{11, 4};
    std::vector<std::uint64_t> values;
    Durations seen{kDefaultBounds};
    for (int i = 0; i < 20'000; ++i) {
        values.push_back(1 + static_cast<std::uint64_t>(any(random)));
        seen.add(values.back());
    }
    std::ranges::sort(values);
    for (const unsigned per_mille : {1u, 100u, 500u, 900u, 990u, 999u}) {
        const auto exact = static_cast<double>(values[per_mille * values.size() / 1'000 - 1]);
        const auto found = static_cast<double>(seen.percentile(per_mille));
        EXPECT_NEAR(found, exact, exact / 128) << per_mille;
    }
    EXPECT_EQ(seen.percentile(1'000), values.back());
}

TEST(Durations, APercentileOnARankIsThatRankNotTheNext) {
    Durations seen{kDefaultBounds};
    for (int i = 0; i < 999; ++i)
        seen.add(10);
    seen.add(100);
    EXPECT_EQ(seen.percentile(999), 10u);
    EXPECT_EQ(seen.percentile(1'000), 100u);
}

TEST(Durations, HoldTheGreatestValueThereIs) {
    Durations seen{kDefaultBounds};
    seen.add(~std::uint64_t{0});
    EXPECT_EQ(seen.max_ns(), ~std::uint64_t{0});
    EXPECT_EQ(seen.percentile(500), ~std::uint64_t{0});
    EXPECT_EQ(seen.buckets().back(), 1u);
}

TEST(Durations, MergedAreThoseOfAllValues) {
    Durations all{kReadyBounds};
    Durations one{kReadyBounds};
    Durations two{kReadyBounds};
    for (std::uint64_t i = 0; i < 1'000; ++i) {
        const std::uint64_t ns = i * i * i;  // the first is unknown
        all.add(ns);
        (i % 3 == 0 ? one : two).add(ns);
    }
    one.merge(two);
    EXPECT_EQ(one.count(), all.count());
    EXPECT_EQ(one.unknown(), 1u);
    EXPECT_EQ(one.sum_ns(), all.sum_ns());
    EXPECT_EQ(one.max_ns(), all.max_ns());
    EXPECT_EQ(one.percentile(900), all.percentile(900));
    EXPECT_EQ(buckets_of(one), buckets_of(all));
}

}  // namespace
}  // namespace tiffany::analysis
