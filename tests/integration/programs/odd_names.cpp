// odd_names: serves the metrics of schedulers whose names a scrape must survive, and goes on until its input ends.
// The second of two with one name has a task more.

#include <iostream>
#include <memory>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

int main() {
    const std::vector<std::string> names{"a\xff\xfe", {"a\0b", 3}, std::string(200, 'x'), "say \"a\\b\"\n", "",
                                         "twin",      "twin"};
    tiffany::MetricsServer server{{.port = 0}};
    std::vector<std::unique_ptr<tiffany::SchedulerTelemetry>> schedulers;
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics;
    tiffany::TaskTimes task;
    for (const std::string& name : names) {
        schedulers.push_back(std::make_unique<tiffany::SchedulerTelemetry>(name));
        schedulers.back()->group(name);
        metrics.push_back(tiffany::make_collectable(*schedulers.back()));
        server.add(metrics.back());
    }
    schedulers.back()->here().spawned(task, {.name = "only task"});
    std::cout << server.url() << std::endl;
    std::cin.get();
}
