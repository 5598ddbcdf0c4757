// A program without an HTTP server: tiffany::MetricsServer serves its metrics until the input ends.
// metrics_server [PORT]: 0 = any that is free.

#include <charconv>
#include <cstdint>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/server.hpp>
#include <tiffany/telemetry/hooks.hpp>

void work(tiffany::Worker& worker) {
    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "only task"});
    worker.running(task);
    worker.done(task);
}

int main(int argc, char** argv) try {
    const std::string_view said = argc > 1 ? argv[1] : "0";
    std::uint16_t wanted = 0;
    const auto [end, bad] = std::from_chars(said.begin(), said.end(), wanted);
    if (bad != std::errc{} || end != said.end()) throw std::runtime_error{"not a port: " + std::string{said}};
    // [docs/metrics.md]
    tiffany::MetricsServer server{{.address = "127.0.0.1", .port = wanted, .connections = 64, .timeout_s = 5}};
    std::cout << "metrics on " << server.url() << std::endl;         // with the port that it got, if 0 was wanted
    const auto schedulers = tiffany::make_schedulers_collectable();  // all of them, whenever they are made
    const auto process = tiffany::make_process_collectable();
    server.add(schedulers);
    server.add(process);
    // [docs/metrics.md]
    tiffany::SchedulerTelemetry telemetry{"jobs"};
    work(telemetry.here());
    std::cin.get();
} catch (const std::runtime_error& error) {
    std::cerr << "metrics_server: " << error.what() << '\n';
    return 1;
}
