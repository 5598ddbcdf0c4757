#pragma once
/// What a scheduler's telemetry is made with.

#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>

namespace tiffany {

struct TelemetryOptions {
    bool metrics = true;     ///< count transitions and times for Prometheus; chosen once, so that counters are whole
    Clock* clock = nullptr;  ///< null: Clock::system(); must outlive the scheduler's telemetry
    MetricsBuckets buckets = {};  ///< the histograms' upper bounds, ns; an empty list: one bucket for everything
};

}  // namespace tiffany
