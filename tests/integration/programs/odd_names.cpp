// odd_names: serves the metrics of schedulers, groups and workers whose names a scrape must survive, and goes on until
// its input ends. The second of two with one name has a task more. Given "worker", with the label of that name.

#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

int main(int argc, char** argv) {
    const bool by_worker = argc > 1 && std::string_view{argv[1]} == "worker";
    const std::size_t megabyte = std::size_t{1} << 20;
    const std::vector<std::string> names{"a\xff\xfe",
                                         {"a\0b", 3},
                                         std::string(200, 'x'),
                                         "say \"a\\b\"\n",
                                         "",
                                         std::string(megabyte, 'M'),
                                         std::string(megabyte, '\xf0'),
                                         std::string(megabyte, '"'),
                                         std::string(megabyte, '\n'),
                                         "}\nscheduler_workers{scheduler=\"forged\"} 7\n#",
                                         "twin",
                                         "twin"};
    tiffany::MetricsServer server{{.port = 0}};
    std::vector<std::unique_ptr<tiffany::SchedulerTelemetry>> schedulers;
    std::vector<std::shared_ptr<prometheus::Collectable>> metrics;
    tiffany::TaskTimes task;
    for (const std::string& name : names) {
        schedulers.push_back(std::make_unique<tiffany::SchedulerTelemetry>(name));
        for (const std::string& group : names)
            schedulers.back()->group(group);
        metrics.push_back(tiffany::make_collectable(*schedulers.back(), {.by_worker = by_worker}));
        server.add(metrics.back());
    }
    const auto process = tiffany::make_process_collectable();
    server.add(process);
    schedulers.back()->here().spawned(task, {.name = "only task"});
    std::cout << server.url() << std::endl;
    std::cin.get();
}
