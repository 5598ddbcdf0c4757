// steady COUNT [PAUSE_US]: one task that runs and yields, COUNT transitions in all (0: until SIGTERM), with a pause
// after each two. First says on one line how LTTng stands in this process, at its end how many transitions were made:
//
//     lttng available
//     transitions 1000

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tiffany/telemetry/hooks.hpp>

namespace {
volatile std::sig_atomic_t asked_to_end = 0;
}

int main(int argc, char** argv) {
    const std::uint64_t count = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 0;
    const auto pause_us = static_cast<useconds_t>(argc > 2 ? std::atoi(argv[2]) : 0);
    std::signal(SIGTERM, [](int) { asked_to_end = 1; });
    tiffany::SchedulerTelemetry telemetry{"steady"};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::Worker& worker = *lease;
    std::printf("lttng %s\n", std::string{label(tiffany::tracing_status())}.c_str());
    std::fflush(stdout);

    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "steady", .site = tiffany::Site::here()});
    while (asked_to_end == 0 && (count == 0 || telemetry.transitions() + 2 < count)) {
        const tiffany::Worker::Tick tick{worker, task};
        worker.running(task);
        worker.yield(task);
        if (pause_us != 0) usleep(pause_us);
    }
    worker.running(task);
    worker.done(task);
    std::printf("transitions %llu\n", static_cast<unsigned long long>(telemetry.transitions()));
    return 0;
}
