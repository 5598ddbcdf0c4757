// What the header promises to a program that has a prometheus::Exposer. A prometheus::Registry holds only families that
// it made itself, so a scheduler's collectable stands beside it, in the exposer.

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>

#include "scrape.hpp"

namespace tiffany {
namespace {

TEST(Exposer, ServesASchedulerBesideTheProgramsOwnRegistry) {
    setenv("TIFFANY_LTTNG", "0", 1);
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::BuildCounter().Name("requests_total").Register(*registry).Add({{"of", "mine"}}).Increment(3);
    auto telemetry = std::make_unique<SchedulerTelemetry>("exposed");
    TaskTimes task;
    telemetry->here().spawned(task, {.name = "t"});
    const auto metrics = make_collectable(*telemetry);

    prometheus::Exposer exposer{"127.0.0.1:0"};
    exposer.RegisterCollectable(registry);
    exposer.RegisterCollectable(metrics);

    const std::string spawned = "task_transitions_total{scheduler=\"exposed\",event=\"Spawned\"} 1";
    const std::string answer = scrape(exposer.GetListeningPorts().at(0));
    EXPECT_NE(answer.find(spawned), std::string::npos) << answer;
    EXPECT_NE(answer.find("requests_total{of=\"mine\"} 3"), std::string::npos) << answer;

    telemetry.reset();
    const std::string after = scrape(exposer.GetListeningPorts().at(0));
    EXPECT_EQ(after.find("exposed"), std::string::npos) << "the scheduler is gone";
    EXPECT_NE(after.find("requests_total{of=\"mine\"} 3"), std::string::npos) << after;
}

TEST(Exposer, ThatHasTheCollectableOfAllSchedulersSendsEachFamilyOnce) {
    setenv("TIFFANY_LTTNG", "0", 1);
    const SchedulerTelemetry first{"first"};
    const SchedulerTelemetry second{"second"};
    const auto metrics = make_schedulers_collectable();
    prometheus::Exposer exposer{"127.0.0.1:0"};
    exposer.RegisterCollectable(metrics);
    const std::string answer = scrape(exposer.GetListeningPorts().at(0));
    for (const char* scheduler : {"first", "second"})
        EXPECT_NE(answer.find(std::string{"tasks_state{scheduler=\""} + scheduler), std::string::npos) << answer;
    const std::string begin = "# TYPE tasks_state ";
    EXPECT_NE(answer.find(begin), std::string::npos) << answer;
    EXPECT_EQ(answer.find(begin), answer.rfind(begin)) << answer;
}

}  // namespace
}  // namespace tiffany
