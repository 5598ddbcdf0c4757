// churn SECONDS [PAUSE_MS]: schedulers, each with four workers, three of them in threads of their own, that begin and
// end one after the other, with a pause between them (default 0). Says after each twentieth of the time what memory it
// has, and at its end how many transitions were made:
//
//     resident 5120
//     transitions 123456

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

std::size_t resident_kb() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
        if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
    return 0;
}

void live(tiffany::SchedulerTelemetry& telemetry) {
    const tiffany::WorkerLease worker = telemetry.worker();
    tiffany::TaskTimes task;
    worker->spawned(task, {.name = "short", .site = tiffany::Site::here()});
    for (int i = 0; i < 10; ++i) {
        worker->running(task);
        worker->yield(task);
    }
    worker->running(task);
    worker->done(task);
}

std::uint64_t one_round(int number) {
    const std::array names{"a", "b", "c"};
    tiffany::SchedulerTelemetry telemetry{names[static_cast<std::size_t>(number) % names.size()]};
    std::vector<std::jthread> threads;
    for (int i = 0; i < 3; ++i)
        threads.emplace_back([&] { live(telemetry); });
    live(telemetry);
    threads.clear();
    return telemetry.transitions();
}

}  // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    const std::chrono::milliseconds pause{argc > 2 ? std::atoi(argv[2]) : 0};
    const auto begin = Clock::now();
    std::uint64_t transitions = 0;
    int round = 0;
    for (int part = 1; part <= 20; ++part) {
        const auto until = begin + std::chrono::duration<double>{seconds * part / 20};
        do {
            transitions += one_round(round++);
            if (pause.count() != 0) std::this_thread::sleep_for(pause);
        } while (Clock::now() < until);
        std::printf("resident %zu\n", resident_kb());
    }
    std::printf("transitions %llu\n", static_cast<unsigned long long>(transitions));
    return 0;
}
