#pragma once
// A scheduler whose clock the test moves, and its series as a scrape sees them.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

namespace tiffany {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Labels = std::map<std::string, std::string>;

inline constexpr std::uint64_t kMs = 1'000'000;

class Metrics : public ::testing::Test {
  protected:
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.metrics = true, .clock = &clock}};
    std::shared_ptr<prometheus::Collectable> metrics = make_collectable(telemetry);
    WorkerLease lease = telemetry.worker();
    Worker& worker = *lease;
    TaskTimes task;

    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }

    /// One series; a test fails if it is not there.
    ClientMetric series(const std::string& name, const Labels& labels = {}) const {
        for (const MetricFamily& family : metrics->Collect()) {
            if (family.name != name) continue;
            for (const ClientMetric& metric : family.metric) {
                Labels found;
                for (const auto& label : metric.label)
                    found[label.name] = label.value;
                EXPECT_EQ(found["scheduler"], "s");
                found.erase("scheduler");
                if (found == labels) return metric;
            }
        }
        ADD_FAILURE() << "no series of " << name;
        return {};
    }
    double gauge(const std::string& name, const Labels& labels = {}) const { return series(name, labels).gauge.value; }
    double counter(const std::string& name, const Labels& labels = {}) const {
        return series(name, labels).counter.value;
    }
};

}  // namespace tiffany
