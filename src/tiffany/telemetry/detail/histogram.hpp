#pragma once
/// A worker's histograms: one writer, the worker's thread; read by the scrape.
///
/// Which bucket a duration belongs to hangs on the clock read that ended it. A store to that bucket has an address that
/// is not known before the clock has answered, and the next clock read waits for that. So the sum is raised at once,
/// and the bucket is pending until the clock was read for another hook; a scrape counts what is pending.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

inline constexpr std::size_t kMaxBuckets = 32;  // of one histogram, without the last, which has no bound

/// Adds to a number whose only writer is this thread.
inline void add(std::atomic<std::uint64_t>& number, std::uint64_t by,
                std::memory_order order = std::memory_order_relaxed) noexcept {
    number.store(number.load(std::memory_order_relaxed) + by, order);
}

/// Upper bounds of a histogram's buckets, ns, and the way to a value's bucket: bucket[i] counts
/// bound[i-1] < x <= bound[i], the last one what is above all bounds. Constant once made, and without memory elsewhere,
/// where its neighbours would be written.
class Bounds {
  public:
    /// @param upper_ns  rising; at most kMaxBuckets. Errors: std::invalid_argument.
    explicit Bounds(std::span<const std::uint64_t> upper_ns);

    /// @param value_ns  at least 1
    std::size_t bucket(std::uint64_t value_ns) const noexcept {
        // The highest bit says nearly all; one comparison decides where a bound divides the values that have it.
        const Slot& slot = slots_[slot_of(value_ns)];
        std::size_t i = slot.first + std::size_t{value_ns > slot.divides_ns};
        if (has_close_) [[unlikely]]
            while (value_ns > upper_ns_[i])
                ++i;
        return i;
    }
    std::span<const std::uint64_t> upper_ns() const noexcept { return {upper_ns_.data(), size_}; }

  private:
    static constexpr std::size_t kBits = 64;
    struct Slot {
        std::uint64_t divides_ns;  // the first bucket's bound
        std::uint64_t first;       // the first bucket of such a value
    };

    /// A slot of its own for each highest bit. Not for 0.
    static std::size_t slot_of(std::uint64_t value) noexcept {
        return static_cast<std::size_t>(__builtin_clzll(value));
    }

    std::size_t size_;
    bool has_close_ = false;                               // two bounds with the same highest bit
    std::array<std::uint64_t, kMaxBuckets + 1> upper_ns_;  // behind the last bound: what no value is above
    std::array<Slot, kBits> slots_{};
};

/// How often a duration was in it.
using Bucket = std::atomic<std::uint64_t>;

struct HistogramShard {
    std::array<Bucket, kMaxBuckets + 1> buckets{};  // writer: the worker's thread
    std::atomic<std::uint64_t> sum_ns{0};           // writer: the worker's thread

    /// Adds to the sum. Returns the bucket, which is to be raised.
    /// @param value_ns  at least 1
    Bucket& add_to_sum(const Bounds& bounds, std::uint64_t value_ns) noexcept {
        add(sum_ns, value_ns);
        return buckets[bounds.bucket(value_ns)];
    }
    void clear() noexcept {
        for (Bucket& bucket : buckets)
            bucket.store(0, std::memory_order_relaxed);
        sum_ns.store(0, std::memory_order_relaxed);
    }
};

/// The buckets of what the worker measured last, not raised yet. A place for the end of a run and one for the begin of
/// the next, which may have one stamp: what is raised was measured at an earlier one. Writer: the worker's thread; any
/// thread reads.
class Pending {
  public:
    static constexpr std::size_t kPlaces = 2;

    Pending() noexcept { clear(); }
    /// Raises what was kept the time before the last, and keeps this in its place.
    void replace(Bucket& bucket) noexcept { end(begin(), bucket); }
    /// The two halves of it: what is read in between may be either. Returns the version before.
    std::uint64_t begin() noexcept {
        const std::uint64_t version = version_.load(std::memory_order_relaxed);
        version_.store(version + 1, std::memory_order_release);
        return version;
    }
    void end(std::uint64_t version, Bucket& bucket) noexcept {
        std::atomic<Bucket*>& place = buckets_[version / 2 % kPlaces];
        // release: who sees one of these stores sees that the version went on
        add(*place.load(std::memory_order_relaxed), 1, std::memory_order_release);
        place.store(&bucket, std::memory_order_release);
        version_.store(version + 2, std::memory_order_release);
    }
    /// Nothing is pending after it.
    void settle() noexcept {
        for (std::size_t place = 0; place < kPlaces; ++place)
            replace(none_);
    }
    void clear() noexcept {
        for (auto& bucket : buckets_)
            bucket.store(&none_, std::memory_order_relaxed);
        version_.store(0, std::memory_order_relaxed);
    }

    struct Seen {
        std::uint64_t version;  // odd: one of these is being raised
        std::array<const Bucket*, kPlaces> buckets;
    };
    Seen look() const noexcept {
        Seen seen{version_.load(std::memory_order_acquire), {}};
        for (std::size_t i = 0; i < kPlaces; ++i)
            seen.buckets[i] = buckets_[i].load(std::memory_order_acquire);
        return seen;
    }
    /// After buckets were read, with acquire: whether those were pending, and are not in what was read.
    bool is_still(const Seen& seen) const noexcept {
        return seen.version % 2 == 0 && version_.load(std::memory_order_relaxed) == seen.version;
    }

  private:
    std::atomic<std::uint64_t> version_{0};  // odd while it changes
    std::array<std::atomic<Bucket*>, kPlaces> buckets_{};
    Bucket none_{0};  // raised in place of a bucket, so that none is asked for
};

/// A bucket that was pending when a scrape told of it as raised.
struct ToldBucket {
    const Bucket* bucket = nullptr;
    std::uint64_t count = 0;
};
/// By where they were pending. What was pending there before has been raised since.
using ToldPending = std::array<ToldBucket, Pending::kPlaces>;

/// The histograms of one group, on cache lines of its own: malloc would put another thread's data beside it.
struct alignas(64) GroupShard {
    HistogramShard run;
    HistogramShard ready;
    std::array<HistogramShard, kWaitKinds> wait;  // by what the task waited for

    void clear() noexcept {
        run.clear();
        ready.clear();
        for (HistogramShard& kind : wait)
            kind.clear();
    }
};

}  // namespace tiffany::detail
