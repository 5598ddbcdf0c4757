#pragma once
/// A scheduler's numbers at one moment, for whoever exports them.
///
///     const MetricsSnapshot now = telemetry.snapshot();
///     std::cout << now.states[static_cast<std::size_t>(TaskState::Ready)] << " tasks are ready\n";

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

namespace tiffany {

/// Upper bounds of the histograms' buckets, ns, rising, at most 32 each: bucket[i] counts bound[i-1] < x <= bound[i].
struct MetricsBuckets {
    std::vector<std::uint64_t> run_ns = default_ns();
    std::vector<std::uint64_t> wait_ns = default_ns();
    std::vector<std::uint64_t> ready_ns = default_ready_ns();

    /// 1, 5, 10, 50, 100, 250, 500 ms, 1 s, 2 s.
    static std::vector<std::uint64_t> default_ns() {
        return {1'000'000,   5'000'000,   10'000'000,    50'000'000,   100'000'000,
                250'000'000, 500'000'000, 1'000'000'000, 2'000'000'000};
    }
    /// The same with 1, 10 and 100 us before them.
    static std::vector<std::uint64_t> default_ready_ns() {
        std::vector<std::uint64_t> bounds = default_ns();
        bounds.insert(bounds.begin(), {1'000, 10'000, 100'000});
        return bounds;
    }
};

struct HistogramSnapshot {
    std::vector<std::uint64_t> upper_ns;  ///< bounds; the last bucket has none
    std::vector<std::uint64_t> counts;    ///< one more than bounds; not cumulative
    std::uint64_t sum_ns = 0;

    std::uint64_t count() const {
        std::uint64_t total = 0;
        for (const std::uint64_t in_bucket : counts)
            total += in_bucket;
        return total;
    }
};

struct GroupSnapshot {
    std::string name;  ///< empty: the default group
    HistogramSnapshot run;
    HistogramSnapshot ready;
    std::array<HistogramSnapshot, kWaitKinds> wait;  ///< by WaitKind; `none` and `unknown` stay empty
};

/// What one worker did, or all of them together.
struct WorkSnapshot {
    std::array<std::uint64_t, kTransitions> transitions{};  ///< by TaskEvent
    std::uint64_t busy_ns = 0;          ///< time held by threads with a loop and not parked; never falls
    std::uint64_t lttng_left_out = 0;   ///< events that were not given to LTTng, which would have blocked for long
    std::uint64_t run_delay_ns = 0;     ///< time that the kernel let their threads wait for a CPU; never falls
    bool run_delay_known = false;       ///< the kernel tells it; if not, the number above means nothing
    std::vector<GroupSnapshot> groups;  ///< the default one first
};

struct WorkerSnapshot : WorkSnapshot {
    std::uint16_t worker = 0;  ///< its index in the process: `worker` in PAL
};

/// Sums over a scheduler's workers. Taken while tasks run, they need not agree with each other to the last transition.
struct MetricsSnapshot : WorkSnapshot {
    std::string scheduler;
    std::array<std::uint64_t, kTaskStates> states{};  ///< tasks now, by TaskState; the live ones count
    /// Workers that threads with a loop hold now: taken by `worker()`, not by `here()`.
    std::uint64_t workers = 0;
    std::uint64_t current_run_ns = 0;  ///< the longest run that has not ended; 0 = none
    /// So long, at least, the oldest ready task has been ready: known from the snapshots before this one, to the
    /// distance between them; 0 = of none that is known.
    std::uint64_t oldest_ready_ns = 0;
    /// Each worker that is held, and those that were given back and are kept for the next thread; of others that were
    /// given back the sums alone tell. Empty unless it was asked for.
    std::vector<WorkerSnapshot> each_worker;
};

}  // namespace tiffany
