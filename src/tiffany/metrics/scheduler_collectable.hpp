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
    /// @param of      whose metrics they are: two with one `of` and the same options give the same series
    /// @param source  gives one snapshot a name
    SchedulerCollectable(std::string of, std::function<std::vector<MetricsSnapshot>()> source, MetricsOptions options)
        : of_{std::move(of)}, source_{std::move(source)}, options_{std::move(options)} {}

    bool gives_the_same(const SchedulerCollectable& other) const noexcept {
        return of_ == other.of_ && options_.prefix == other.options_.prefix &&
               options_.by_worker == other.options_.by_worker;
    }

    std::vector<prometheus::MetricFamily> Collect() const override;

  private:
    std::string of_;
    std::function<std::vector<MetricsSnapshot>()> source_;
    MetricsOptions options_;
};

}  // namespace tiffany
