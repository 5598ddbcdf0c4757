#pragma once
/// Many durations in bounded memory: count, sum and maximum exactly, percentiles within 1/128, and the counts of a
/// histogram with fixed bounds.
///
///     Durations runs{kDefaultBounds};
///     runs.add(5'120);
///     std::uint64_t median_ns = runs.percentile(500);

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace tiffany::analysis {

/// Upper bounds of the metrics' default buckets, ns; closed: bucket[i] counts bound[i-1] < x <= bound[i].
inline constexpr std::array<std::uint64_t, 12> kReadyBounds{1'000,       10'000,      100'000,       1'000'000,
                                                            5'000'000,   10'000'000,  50'000'000,    100'000'000,
                                                            250'000'000, 500'000'000, 1'000'000'000, 2'000'000'000};
/// Of runs and waits: those of ready delays without 1, 10 and 100 us.
inline constexpr std::span<const std::uint64_t> kDefaultBounds = std::span{kReadyBounds}.subspan(3);

/// Not shared between threads. Memory: 512 bytes for each power of two that a value fell into.
class Durations {
  public:
    /// @param bounds  ns, rising, at most 12; borrowed for the life of this object: a constant
    explicit Durations(std::span<const std::uint64_t> bounds);

    /// @param ns  0 = unknown: counted apart, part of nothing else
    void add(std::uint64_t ns);
    /// Adds what another one, with the same bounds, has seen.
    void merge(const Durations& other);

    std::uint64_t count() const;
    std::uint64_t unknown() const { return unknown_; }
    std::uint64_t sum_ns() const { return sum_ns_; }
    std::uint64_t max_ns() const { return max_ns_; }
    /// The smallest seen value that so many thousandths (1 to 1000) of all values do not exceed; off by at most 1/128
    /// of itself, exact below 128 ns, never above the maximum. 0 if there is no value.
    std::uint64_t percentile(unsigned per_mille) const;

    std::span<const std::uint64_t> bounds() const { return bounds_; }
    /// One more than bounds, the last without an upper bound; not cumulative.
    std::span<const std::uint64_t> buckets() const { return std::span{buckets_}.first(bounds_.size() + 1); }

  private:
    // Log-linear: each power of two is cut into 64 equal parts, so a part is at most 1/64 of its values wide and its
    // middle at most 1/128 off. Powers below 64 share the first row, one value a part.
    static constexpr unsigned kBits = 6;
    static constexpr std::size_t kParts = std::size_t{1} << kBits;
    static constexpr std::size_t kRows = 64 - kBits + 1;
    using Row = std::array<std::uint64_t, kParts>;

    static std::uint64_t middle(std::size_t row, std::size_t part);
    Row& make_row(std::size_t number);
    void add_to_new_row(std::uint64_t ns, std::size_t number);

    std::uint64_t unknown_ = 0;
    std::uint64_t sum_ns_ = 0;
    std::uint64_t max_ns_ = 0;
    std::span<const std::uint64_t> bounds_;
    std::array<std::uint8_t, kRows> first_buckets_{};  // of each row: that of its least value
    std::array<std::uint64_t, kReadyBounds.size() + 1> buckets_{};
    std::array<std::unique_ptr<Row>, kRows> rows_;
};

}  // namespace tiffany::analysis
