#pragma once
/// A scheduler's telemetry as Prometheus metrics.
///
///     auto metrics = tiffany::make_collectable(telemetry);   // keep it: both hold it weakly
///     server.add(metrics);                      // our MetricsServer,
///     exposer.RegisterCollectable(metrics);     // or the prometheus::Exposer that the program has
///
/// A prometheus::Registry cannot hold it, only families that it made itself: both go to the exporter, side by side.
///
/// What each metric means, its formula and its edge cases: docs/metrics.md.

#include <memory>
#include <string>
#include <tiffany/telemetry/scheduler_telemetry.hpp>

namespace prometheus {
class Collectable;
}

namespace tiffany {

struct MetricsOptions {
    std::string prefix = {};  ///< before every name; default none
    /// Label `worker`, its index in the process, on counters and histograms; default false: sums over the workers.
    /// Of workers that live: the series of one ends with it. Gauges have it never. It multiplies the series by the
    /// workers.
    bool by_worker = false;
};

/// The metrics of a scheduler, together with all others of its name, and those that ended while another one of them
/// lived: one set of series, their sums, whose counters do not fall when one of them ends. Of two such collectables
/// with the same options MetricsServer and scrape_text show one; give one of them to an Exposer, which shows both.
///
/// Reads the workers' shards at each `Collect()`; gives nothing once the scheduler's telemetry has died, or if it was
/// made with metrics off. `Collect()`: any thread; throws nothing, because prometheus-cpp ends the process then: what
/// cannot be collected is left out. Exporters keep it weakly: hold the pointer.
/// Errors: std::invalid_argument, a prefix that no metric's name may have.
std::shared_ptr<prometheus::Collectable> make_collectable(const SchedulerTelemetry& telemetry,
                                                          const MetricsOptions& options = {});

/// The same of all schedulers of the process, for a program where they come and go: those that are made later too, and
/// all that ended; of names that no scheduler has any more the last 64 (named_snapshots()). One in a program, and none
/// of the above beside it.
std::shared_ptr<prometheus::Collectable> make_schedulers_collectable(const MetricsOptions& options = {});

/// What concerns the process as a whole: `tiffany_build_info`, `tiffany_tracing_attached{tracer}`,
/// `tiffany_tracing_unavailable{reason}`, what log and sink lost, its workers, `tiffany_refused_hooks_total`.
/// One in a program. As above otherwise.
std::shared_ptr<prometheus::Collectable> make_process_collectable();

}  // namespace tiffany
