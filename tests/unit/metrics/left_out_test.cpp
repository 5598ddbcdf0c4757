// What LTTng's dead consumer cost is seen in the metrics. A program of its own: that LTTng may block it is looked at
// once.

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <tiffany/metrics/collectable.hpp>

#include "../telemetry/recorded.hpp"

namespace tiffany::testing {
namespace {

double left_out(const prometheus::Collectable& metrics) {
    for (const prometheus::MetricFamily& family : metrics.Collect())
        if (family.name == "tiffany_lttng_left_out_total") return family.metric.at(0).counter.value;
    ADD_FAILURE() << "no such metric";
    return 0;
}

using LeftOut = Recorded;

TEST_F(LeftOut, EventsAreCountedInTheMetricsAndGoOnWithTheNextSession) {
    setenv("LTTNG_UST_ALLOW_BLOCKING", "1", 1);
    SchedulerTelemetry telemetry{"blocked"};
    const auto metrics = make_collectable(telemetry);
    Worker& worker = telemetry.here();
    TaskTimes task;
    recording().block_ns = 2'100'000'000;  // one call that long is enough
    worker.spawned(task, {.name = "t"});
    recording().block_ns = 0;
    EXPECT_EQ(left_out(*metrics), 0);
    worker.running(task);
    worker.yield(task);
    EXPECT_EQ(left_out(*metrics), 2);
    start_session();
    worker.running(task);
    EXPECT_EQ(left_out(*metrics), 2);
}

}  // namespace
}  // namespace tiffany::testing
