#pragma once
/// What make_collectable gives.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <utility>
#include <vector>

namespace tiffany {

class SchedulerCollectable final : public prometheus::Collectable {
  public:
    /// @param of      whose metrics they are: two with one `of` that are alike give the same series
    /// @param source  gives one snapshot a name
    SchedulerCollectable(std::string of, std::function<std::vector<MetricsSnapshot>()> source, MetricsOptions options)
        : of_{std::move(of)}, source_{std::move(source)}, options_{std::move(options)} {}

    /// Whether a snapshot becomes the same series in both.
    bool is_alike(const SchedulerCollectable& other) const noexcept {
        return options_.prefix == other.options_.prefix && options_.by_worker == other.options_.by_worker;
    }
    const std::string& of() const noexcept { return of_; }

    std::vector<prometheus::MetricFamily> Collect() const override;
    /// What Collect() would tell of. Errors: std::bad_alloc.
    std::vector<MetricsSnapshot> snapshots() const { return source_(); }
    const MetricsOptions& options() const noexcept { return options_; }

  private:
    std::string of_;
    std::function<std::vector<MetricsSnapshot>()> source_;
    MetricsOptions options_;
};

/// The families of schedulers, of each name once.
std::vector<prometheus::MetricFamily> families_of(const std::vector<MetricsSnapshot>& snapshots,
                                                  const MetricsOptions& options);

}  // namespace tiffany
