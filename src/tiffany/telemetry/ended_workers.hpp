#pragma once
/// What a scheduler's workers counted that are no more: the worker goes, its numbers stay in the sums.

#include <cstdint>
#include <tiffany/telemetry/detail/shard.hpp>

namespace tiffany::detail {

/// Whoever holds the process's workers_mutex.
struct EndedWorkers {
    Shard shard;
    std::uint64_t busy_ns = 0;
    std::uint64_t run_delay_ns = 0;
    std::uint64_t lttng_left_out = 0;

    /// Adds the counters of a shard that nobody writes to any more, and whose groups are here.
    void take(const Shard& from) noexcept;
    void clear() noexcept {
        shard.clear();
        busy_ns = run_delay_ns = lttng_left_out = 0;
    }
};

}  // namespace tiffany::detail
