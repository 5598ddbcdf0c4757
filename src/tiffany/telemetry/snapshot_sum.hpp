#pragma once
/// Sums of snapshots: of schedulers that have one name.

#include <tiffany/telemetry/metrics_snapshot.hpp>

namespace tiffany::detail {

/// Adds counters, histograms and gauges; of the longest run and the oldest ready task the longer one stays.
///
/// Histograms whose bounds differ are told on those bounds that all have, where the counts of each are known exactly.
/// Groups are one by name; those that find 31 others go to the default group.
/// Errors: std::bad_alloc.
void add_snapshot(MetricsSnapshot& total, MetricsSnapshot more);

}  // namespace tiffany::detail
