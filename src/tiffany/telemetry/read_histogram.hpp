#pragma once
/// The scrape's side of a histogram: what a worker counted, while it goes on counting.

#include <tiffany/telemetry/detail/histogram.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>

namespace tiffany::detail {

/// Adds a worker's histogram, with what is pending for it. Of a worker that was put off its CPU while it raised that
/// nobody can see whether it has done so: then what was told before stands, so that no bucket ever falls.
/// @param told  of this worker; written. Whoever holds the process's workers_mutex
void add_histogram(HistogramSnapshot& total, const HistogramShard& shard, const Pending& pending,
                   ToldPending& told) noexcept;

}  // namespace tiffany::detail
