// churn SECONDS [PAUSE_MS]: schedulers, each with four workers, three of them in threads of their own, that begin and
// end one after the other, with a pause between them (default 0). After each twentieth of the time it is scraped, and
// says what memory it has, and waits for a line of who looks at others' meanwhile (or for the end of its input); at its
// end how many transitions were made, and how many its metrics tell:
//
//     resident 5120
//     transitions 123456
//     metrics 123456

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
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

/// The sum of task_transitions_total in a scrape: of schedulers that live, and of those that ended.
std::uint64_t transitions_in(const std::string& scrape) {
    std::istringstream lines{scrape};
    std::uint64_t sum = 0;
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("task_transitions_total{"))
            sum += static_cast<std::uint64_t>(std::stod(line.substr(line.rfind(' '))));
    return sum;
}

}  // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
    const std::chrono::milliseconds pause{argc > 2 ? std::atoi(argv[2]) : 0};
    const auto metrics = tiffany::make_schedulers_collectable();
    const auto begin = Clock::now();
    std::uint64_t transitions = 0;
    std::string scrape;
    int round = 0;
    for (int part = 1; part <= 20; ++part) {
        const auto until = begin + std::chrono::duration<double>{seconds * part / 20};
        do {
            transitions += one_round(round++);
            if (pause.count() != 0) std::this_thread::sleep_for(pause);
        } while (Clock::now() < until);
        scrape = tiffany::scrape_text({metrics});
        std::printf("resident %zu\n", resident_kb());
        std::fflush(stdout);
        while (!std::feof(stdin) && std::getchar() != '\n') {
        }
    }
    std::printf("transitions %llu\n", static_cast<unsigned long long>(transitions));
    std::printf("metrics %llu\n", static_cast<unsigned long long>(transitions_in(scrape)));
    return 0;
}
