// A program that has a prometheus::Registry and an Exposer already: a scheduler's metrics stand beside its own.

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/registry.h>

#include <iostream>
#include <memory>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>

int main() {
    prometheus::Exposer exposer{"127.0.0.1:0"};
    const auto registry = std::make_shared<prometheus::Registry>();
    exposer.RegisterCollectable(registry);
    auto& requests =
        prometheus::BuildCounter().Name("requests_total").Help("Requests that came in.").Register(*registry).Add({});
    requests.Increment();
    std::cout << "metrics on http://127.0.0.1:" << exposer.GetListeningPorts().at(0) << "/metrics" << std::endl;

    // [docs/metrics.md]
    tiffany::SchedulerTelemetry telemetry{"jobs"};
    const auto metrics = tiffany::make_collectable(telemetry);  // keep it: the exposer holds it weakly
    const auto process = tiffany::make_process_collectable();
    exposer.RegisterCollectable(metrics);  // the exporter takes it, beside the registry
    exposer.RegisterCollectable(process);
    // [docs/metrics.md]

    tiffany::TaskTimes task;
    telemetry.here().spawned(task, {.name = "only task"});
    telemetry.here().running(task);
    telemetry.here().done(task);
    std::cin.get();
}
