#pragma once
/// A worker's part of its scheduler's metrics: plain counters with one writer, read by the scrape.
///
/// Every write is a relaxed load and store, no read-modify-write: the worker's thread is the only writer. A scrape may
/// read one transition late, and sums over workers need not agree to the last transition while tasks run.

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

inline constexpr std::size_t kMaxGroups = 32;   // with the default one, 0
inline constexpr std::size_t kMaxBuckets = 32;  // of one histogram, without the last, which has no bound

/// Adds to a number whose only writer is this thread.
inline void add(std::atomic<std::uint64_t>& number, std::uint64_t by) noexcept {
    number.store(number.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

/// Upper bounds of a histogram's buckets, ns, and the way to a value's bucket: bucket[i] counts
/// bound[i-1] < x <= bound[i], the last one what is above all bounds. Constant once made, and without memory elsewhere,
/// where its neighbours would be written.
class Bounds {
  public:
    /// @param upper_ns  rising; at most kMaxBuckets. Errors: std::invalid_argument.
    explicit Bounds(std::span<const std::uint64_t> upper_ns);

    std::size_t bucket(std::uint64_t value_ns) const noexcept {
        // the first bound that can hold a value of so many bits; one or two steps from there
        std::size_t i = first_[static_cast<std::size_t>(std::bit_width(value_ns))];
        while (i < size_ && value_ns > upper_ns_[i])
            ++i;
        return i;
    }
    std::span<const std::uint64_t> upper_ns() const noexcept { return {upper_ns_.data(), size_}; }

  private:
    std::size_t size_;
    std::array<std::uint64_t, kMaxBuckets> upper_ns_{};
    std::array<std::uint8_t, 65> first_{};  // by the number of bits
};

struct HistogramShard {
    std::array<std::atomic<std::uint64_t>, kMaxBuckets + 1> buckets{};  // writer: the worker's thread
    std::atomic<std::uint64_t> sum_ns{0};                               // writer: the worker's thread

    void observe(const Bounds& bounds, std::uint64_t value_ns) noexcept {
        add(buckets[bounds.bucket(value_ns)], 1);
        add(sum_ns, value_ns);
    }
    void clear() noexcept {
        for (auto& bucket : buckets)
            bucket.store(0, std::memory_order_relaxed);
        sum_ns.store(0, std::memory_order_relaxed);
    }
};

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

struct Shard {
    std::array<std::atomic<std::uint64_t>, kTransitions> counts{};  // writer: the worker's thread
    // Tasks that came into a state minus those that left it, at this worker: tasks move between workers, so only the
    // sum over all workers means something. Modulo 2^64. Writer: the worker's thread.
    std::array<std::atomic<std::uint64_t>, kTaskStates> states{};
    // Time held by a thread with a loop and not parked: the stretches that ended, and when the present one began
    // (ticks; 0 = none). Who ends one clears busy_since first, so that a scrape never counts it twice. Writer: the
    // worker's thread; when it is taken and given back, whoever holds the process's workers_mutex.
    std::atomic<std::uint64_t> busy_ns{0};
    std::atomic<std::uint64_t> busy_since{0};
    std::atomic<std::uint64_t> parked_at{0};      // ticks; 0 = not parked. Writer: the worker's thread
    std::atomic<std::uint64_t> running_since{0};  // ticks; 0 = runs no task. Writer: the worker's thread
    std::atomic<std::uint32_t> thread{0};         // its thread's id. Writer: whoever holds the process's workers_mutex
    // made when the group is registered, before its number is known to anybody; never replaced
    std::array<std::atomic<GroupShard*>, kMaxGroups> groups{};

    Shard() = default;
    Shard(const Shard&) = delete;
    Shard& operator=(const Shard&) = delete;
    ~Shard() {
        for (auto& group : groups)
            delete group.load(std::memory_order_relaxed);
    }

    /// Errors: std::bad_alloc. Whoever holds the process's workers_mutex.
    void add_group(std::size_t number) {
        if (groups[number].load(std::memory_order_relaxed) == nullptr)
            groups[number].store(new GroupShard, std::memory_order_release);
    }
    /// Null for a number that nobody registered: its times go to the default group.
    GroupShard& group(std::uint16_t number) const noexcept {
        GroupShard* found = number < kMaxGroups ? groups[number].load(std::memory_order_acquire) : nullptr;
        return found != nullptr ? *found : *groups[0].load(std::memory_order_relaxed);
    }
    void move(TaskState from, TaskState to) noexcept {
        add(states[static_cast<std::size_t>(from)], ~std::uint64_t{0});
        add(states[static_cast<std::size_t>(to)], 1);
    }
    /// In a forked child everything starts at 0.
    void clear() noexcept {
        for (auto& count : counts)
            count.store(0, std::memory_order_relaxed);
        for (auto& state : states)
            state.store(0, std::memory_order_relaxed);
        for (auto& group : groups)
            if (GroupShard* found = group.load(std::memory_order_relaxed)) found->clear();
        for (auto* number : {&busy_ns, &busy_since, &parked_at, &running_since})
            number->store(0, std::memory_order_relaxed);
    }
};

}  // namespace tiffany::detail
