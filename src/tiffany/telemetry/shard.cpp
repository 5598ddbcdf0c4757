#include <stdexcept>
#include <string>
#include <tiffany/telemetry/detail/shard.hpp>
#include <utility>

namespace tiffany::detail {

Bounds::Bounds(std::vector<std::uint64_t> upper_ns) : upper_ns_{std::move(upper_ns)} {
    if (upper_ns_.size() > kMaxBuckets)
        throw std::invalid_argument{"a histogram has at most " + std::to_string(kMaxBuckets) + " buckets, found " +
                                    std::to_string(upper_ns_.size())};
    for (std::size_t i = 1; i < upper_ns_.size(); ++i)
        if (upper_ns_[i] <= upper_ns_[i - 1])
            throw std::invalid_argument{"a histogram's bounds must rise: " + std::to_string(upper_ns_[i]) +
                                        " ns follows " + std::to_string(upper_ns_[i - 1]) + " ns"};
    for (std::size_t bits = 0; bits < first_.size(); ++bits) {
        // the least value of so many bits goes to the first bucket that any of them can go to
        const std::uint64_t least = bits == 0 ? 0 : std::uint64_t{1} << (bits - 1);
        std::size_t i = 0;
        while (i < upper_ns_.size() && least > upper_ns_[i])
            ++i;
        first_[bits] = static_cast<std::uint8_t>(i);
    }
}

}  // namespace tiffany::detail
