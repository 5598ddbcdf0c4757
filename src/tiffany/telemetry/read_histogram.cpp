#include "read_histogram.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace tiffany::detail {
namespace {

/// Too large for a bucket of another histogram.
std::size_t index_in(const HistogramShard& histogram, const Bucket* bucket) noexcept {
    return (reinterpret_cast<std::uintptr_t>(bucket) - reinterpret_cast<std::uintptr_t>(histogram.buckets.data())) /
           sizeof(Bucket);
}

}  // namespace

void add_histogram(HistogramSnapshot& total, const HistogramShard& shard, const Pending& pending,
                   ToldPending& told) noexcept {
    const std::size_t size = total.counts.size();
    const Pending::Seen seen = pending.look();
    std::array<std::uint64_t, kMaxBuckets + 1> counts;
    for (std::size_t i = 0; i < size; ++i)
        counts[i] = shard.buckets[i].load(std::memory_order_acquire);
    const bool is_still = pending.is_still(seen);
    for (std::size_t i = 0; i < told.size(); ++i) {
        const Bucket* const bucket = is_still ? seen.buckets[i] : told[i].bucket;
        const std::size_t at = index_in(shard, bucket);
        if (at >= size) continue;
        if (is_still)
            told[i] = {bucket, ++counts[at]};
        else
            counts[at] = std::max(counts[at], told[i].count);
    }
    for (std::size_t i = 0; i < size; ++i)
        total.counts[i] += counts[i];
    total.sum_ns += shard.sum_ns.load(std::memory_order_relaxed);
}

}  // namespace tiffany::detail
