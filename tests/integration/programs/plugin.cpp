// A plugin that carries the telemetry library, hidden: a scheduler of its own, used in a thread that ends.

#include <cstdint>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

/// Returns how many transitions were made.
extern "C" __attribute__((visibility("default"))) std::uint64_t run_plugin() {
    tiffany::SchedulerTelemetry telemetry{"plugin"};
    std::thread{[&] {
        tiffany::TaskTimes task;
        tiffany::Worker& worker = telemetry.here();
        worker.spawned(task, {.name = "plugin", .site = tiffany::Site::here()});
        worker.running(task);
        worker.done(task);
    }}.join();
    return telemetry.transitions();
}
