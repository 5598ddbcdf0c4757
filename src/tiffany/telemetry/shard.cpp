#include <algorithm>
#include <bit>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tiffany/telemetry/detail/histogram.hpp>

namespace tiffany::detail {

Bounds::Bounds(std::span<const std::uint64_t> upper_ns) : size_{upper_ns.size()} {
    if (size_ > kMaxBuckets)
        throw std::invalid_argument{"a histogram has at most " + std::to_string(kMaxBuckets) + " buckets, found " +
                                    std::to_string(size_)};
    for (std::size_t i = 1; i < size_; ++i)
        if (upper_ns[i] <= upper_ns[i - 1])
            throw std::invalid_argument{"a histogram's bounds must rise: " + std::to_string(upper_ns[i]) +
                                        " ns follows " + std::to_string(upper_ns[i - 1]) + " ns"};
    for (std::size_t i = 1; i < size_; ++i)
        has_close_ = has_close_ || std::countl_zero(upper_ns[i]) == std::countl_zero(upper_ns[i - 1]);
    upper_ns_.fill(UINT64_MAX);
    std::copy(upper_ns.begin(), upper_ns.end(), upper_ns_.begin());
    for (std::size_t bit = 0; bit < kBits; ++bit) {
        // the least value with this highest bit goes to the first bucket that any of them can go to
        const std::uint64_t least = std::uint64_t{1} << bit;
        std::size_t i = 0;
        while (least > upper_ns_[i])
            ++i;
        const std::size_t slot = slot_of(least);
        slots_[slot] = {upper_ns_[i], i};
    }
}

}  // namespace tiffany::detail
