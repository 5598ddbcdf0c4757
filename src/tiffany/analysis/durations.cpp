#include <algorithm>
#include <bit>
#include <cassert>
#include <tiffany/analysis/durations.hpp>

namespace tiffany::analysis {

Durations::Durations(std::span<const std::uint64_t> bounds) : bounds_{bounds} {
    assert(bounds.size() < buckets_.size());
}

// Row 0 holds 0 to 63; row r holds 2^(r+5) to 2^(r+6) - 1 in parts of 2^(r-1).
std::size_t Durations::row_of(std::uint64_t ns) {
    const auto bits = static_cast<unsigned>(std::bit_width(ns));
    return bits <= kBits ? 0 : bits - kBits;
}

std::uint64_t Durations::middle(std::size_t row, std::size_t part) {
    if (row == 0) return part;
    const std::uint64_t width = std::uint64_t{1} << (row - 1);
    return (kParts + part) * width + width / 2;
}

Durations::Row& Durations::row(std::size_t number) {
    if (!rows_[number]) rows_[number] = std::make_unique<Row>();
    return *rows_[number];
}

void Durations::add(std::uint64_t ns) {
    if (ns == 0) {
        ++unknown_;
        return;
    }
    ++count_;
    sum_ns_ += ns;
    max_ns_ = std::max(max_ns_, ns);
    std::size_t bucket = 0;  // one after the other: most durations are below the first bounds
    while (bucket != bounds_.size() && bounds_[bucket] < ns)
        ++bucket;
    ++buckets_[bucket];
    const std::size_t number = row_of(ns);
    ++row(number)[number == 0 ? ns : (ns >> (number - 1)) - kParts];
}

void Durations::merge(const Durations& other) {
    assert(bounds_.size() == other.bounds_.size());
    count_ += other.count_;
    unknown_ += other.unknown_;
    sum_ns_ += other.sum_ns_;
    max_ns_ = std::max(max_ns_, other.max_ns_);
    for (std::size_t i = 0; i < buckets_.size(); ++i)
        buckets_[i] += other.buckets_[i];
    for (std::size_t number = 0; number < kRows; ++number) {
        if (!other.rows_[number]) continue;
        Row& into = row(number);
        for (std::size_t part = 0; part < kParts; ++part)
            into[part] += (*other.rows_[number])[part];
    }
}

std::uint64_t Durations::percentile(unsigned per_mille) const {
    if (count_ == 0) return 0;
    // whole numbers: 0.999 is no double, and a rank must not depend on how it is rounded
    const std::uint64_t rest = count_ % 1'000 * per_mille;
    const std::uint64_t wanted = count_ / 1'000 * per_mille + rest / 1'000 + (rest % 1'000 == 0 ? 0 : 1);
    const std::uint64_t rank = std::clamp<std::uint64_t>(wanted, 1, count_);
    if (rank == count_) return max_ns_;  // exact
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
