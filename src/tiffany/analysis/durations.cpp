#include <algorithm>
#include <bit>
#include <cassert>
#include <numeric>
#include <tiffany/analysis/durations.hpp>

namespace tiffany::analysis {

Durations::Durations(std::span<const std::uint64_t> bounds) : bounds_{bounds} {
    assert(bounds.size() < buckets_.size());
}

// Row 0 holds 0 to 63; row r holds 2^(r+5) to 2^(r+6) - 1 in parts of 2^(r-1).
std::uint64_t Durations::middle(std::size_t row, std::size_t part) {
    if (row == 0) return part;
    const std::uint64_t width = std::uint64_t{1} << (row - 1);
    return (kParts + part) * width + width / 2;
}

Durations::Row& Durations::make_row(std::size_t number) {
    rows_[number] = std::make_unique<Row>();
    const std::uint64_t least = number == 0 ? 0 : kParts << (number - 1);
    first_buckets_[number] = static_cast<std::uint8_t>(std::ranges::lower_bound(bounds_, least) - bounds_.begin());
    return *rows_[number];
}

std::uint64_t Durations::count() const {
    return std::accumulate(buckets_.begin(), buckets_.end(), std::uint64_t{0});
}

void Durations::add(std::uint64_t ns) {
    if (ns == 0) {
        ++unknown_;
        return;
    }
    const auto bits = static_cast<unsigned>(std::bit_width(ns));
    const unsigned number = std::max(bits, kBits) - kBits;
    Row* const in = rows_[number].get();
    if (in == nullptr) [[unlikely]]
        return add_to_new_row(ns, number);
    sum_ns_ += ns;
    max_ns_ = std::max(max_ns_, ns);
    ++(*in)[ns >> (std::max(number, 1U) - 1) & (kParts - 1)];
    std::size_t bucket = first_buckets_[number];  // few bounds lie within a power of two
    while (bucket != bounds_.size() && bounds_[bucket] < ns)
        ++bucket;
    ++buckets_[bucket];
}

[[gnu::noinline]] void Durations::add_to_new_row(std::uint64_t ns, std::size_t number) {
    make_row(number);
    add(ns);
}

void Durations::merge(const Durations& other) {
    assert(bounds_.size() == other.bounds_.size());
    unknown_ += other.unknown_;
    sum_ns_ += other.sum_ns_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
    for (std::size_t i = 0; i < buckets_.size(); ++i)
        buckets_[i] += other.buckets_[i];
    for (std::size_t number = 0; number < kRows; ++number) {
        if (!other.rows_[number]) continue;
        Row& into = rows_[number] != nullptr ? *rows_[number] : make_row(number);
        for (std::size_t part = 0; part < kParts; ++part)
            into[part] += (*other.rows_[number])[part];
    }
}

std::uint64_t Durations::percentile(unsigned per_mille) const {
    const std::uint64_t count = this->count();
    if (count == 0) return 0;
    // whole numbers: 0.999 is no double, and a rank must not depend on how it is rounded
    const std::uint64_t rest = count % 1'000 * per_mille;
    const std::uint64_t wanted = count / 1'000 * per_mille + rest / 1'000 + (rest % 1'000 == 0 ? 0 : 1);
    const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count);
    if (rank == count) return max_ns_;  // exact
    std::uint64_t seen = 0;
    for (std::size_t number = 0; number < kRows; ++number) {
        if (!rows_[number]) continue;
        for (std::size_t part = 0; part < kParts; ++part) {
            seen += (*rows_[number])[part];
            if (seen >= rank) return std::min(middle(number, part), max_ns_);
        }
    }
    return max_ns_;
}

}  // namespace tiffany::analysis
