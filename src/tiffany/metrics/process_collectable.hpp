#pragma once
/// What make_process_collectable gives.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <vector>

namespace tiffany {

class ProcessCollectable final : public prometheus::Collectable {
  public:
    std::vector<prometheus::MetricFamily> Collect() const override;
    /// The same, for who can do without the scrape. Errors: std::bad_alloc.
    static std::vector<prometheus::MetricFamily> families();
};

}  // namespace tiffany
