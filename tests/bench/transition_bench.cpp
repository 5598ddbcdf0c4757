// What a transition costs: with no hooks, with hooks that nobody listens to, with metrics, with a pal::Sink, with LTTng
// recording.
//
//     transition_bench [--json FILE]                       none, off, metrics, metrics with shared stamps, sink, rdtsc
//     paltrace record -o DIR -- transition_bench --recording
//
// Each way runs in a process of its own, by turns, many rounds; ratios are taken within a round, so that a slow moment
// of the machine meets both sides. CPU time of the thread, a loop of transitions, never one call.

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <vector>

#include "rounds.hpp"

namespace {

constexpr int kRounds = 15;
constexpr std::uint64_t kCheapTransitions = 4'000'000;
constexpr std::uint64_t kRecordedTransitions = 400'000;

double loop_without_hooks() {
    std::atomic<std::uint64_t> state{0};  // a scheduler keeps its task's state, hooks or not
    const std::uint64_t begin = bench::thread_cpu_ns();
    for (std::uint64_t i = 0; i < kCheapTransitions; ++i) {
        state.store(i, std::memory_order_relaxed);
        asm volatile("" : : "r"(&state) : "memory");
    }
    return static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(kCheapTransitions);
}

/// @param cycle  what to repeat: calls `transitions_each` hooks
template <typename Cycle>
double loop_of(bool metrics, std::uint64_t transitions, std::uint64_t transitions_each, const Cycle& cycle) {
    tiffany::SchedulerTelemetry telemetry{"bench", {.metrics = metrics}};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::Worker& worker = *lease;
    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "bench"});
    const std::uint64_t begin = bench::thread_cpu_ns();
    for (std::uint64_t i = 0; i < transitions; i += transitions_each)
        cycle(worker, task);
    return static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(transitions);
}

double loop_with_hooks(bool metrics, std::uint64_t transitions) {
    return loop_of(metrics, transitions, 2, [](tiffany::Worker& worker, tiffany::TaskTimes& task) {
        worker.running(task);
        worker.yield(task);
    });
}

// One look at the clock for the end of a run and the beginning of the next.
double loop_with_shared_stamps() {
    return loop_of(true, kCheapTransitions, 2, [](tiffany::Worker& worker, tiffany::TaskTimes& task) {
        const tiffany::Stamp now = worker.now();
        worker.yield(task, now);
        worker.running(task, now);
    });
}

double loop_of_sleeps() {
    return loop_of(true, kCheapTransitions, 3, [](tiffany::Worker& worker, tiffany::TaskTimes& task) {
        worker.running(task);
        worker.sleep(task, 1'000);
        worker.ready(task, tiffany::WakeCause::timer);
    });
}

// A worker with nothing else to do: the moment it finds that the sleep is over is the beginning of the run, too.
double loop_of_sleeps_with_shared_stamps() {
    return loop_of(true, kCheapTransitions, 3, [](tiffany::Worker& worker, tiffany::TaskTimes& task) {
        worker.sleep(task, 1'000);
        const tiffany::Stamp now = worker.now();
        worker.ready(task, tiffany::WakeCause::timer, 0, 0, now);
        worker.running(task, now);
    });
}

double loop_of_clock_reads() {
    const tiffany::Clock& clock = tiffany::Clock::system();
    std::uint64_t sum = 0;
    const std::uint64_t begin = bench::thread_cpu_ns();
    for (std::uint64_t i = 0; i < kCheapTransitions; ++i)
        sum += clock.ticks();
    asm volatile("" : : "r"(sum));
    return static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(kCheapTransitions);
}

// A burst that fits into the ring: what the worker pays while the writer keeps up, which is on another CPU then.
double loop_with_sink() {
    struct Nobody : tiffany::pal::Sink {
        void record(const tiffany::pal::Record&) override {}
        void gap(const tiffany::pal::Gap&) override {}
    };
    tiffany::install_sink(
        std::make_shared<Nobody>(),
        {.ring_bytes = std::size_t{64} << 20, .poll = std::chrono::hours{1}, .flush_timeout = std::chrono::minutes{1}});
    const double ns = loop_with_hooks(false, kRecordedTransitions);
    tiffany::uninstall_sink();
    if (tiffany::sink_stats().lost != 0) std::exit(3);
    return ns;
}

enum class Way { none, off, metrics, shared, sleeps, shared_sleeps, clock, sink, recording };

double run_here(Way way) {
    if (way != Way::recording) setenv("TIFFANY_LTTNG", "0", 1);
    switch (way) {
        case Way::none:
            return loop_without_hooks();
        case Way::off:
            return loop_with_hooks(false, kCheapTransitions);
        case Way::metrics:
            return loop_with_hooks(true, kCheapTransitions);
        case Way::shared:
            return loop_with_shared_stamps();
        case Way::sleeps:
            return loop_of_sleeps();
        case Way::shared_sleeps:
            return loop_of_sleeps_with_shared_stamps();
        case Way::clock:
            return loop_of_clock_reads();
        case Way::sink:
            return loop_with_sink();
        case Way::recording:
            break;
    }
    return loop_with_hooks(false, kRecordedTransitions);
}

/// ns per transition.
double run(Way way) {
    return bench::run_self({"--way", std::to_string(static_cast<int>(way))}).numbers.front();
}

bench::Results results;

void print_ratio(const char* what, const std::vector<double>& above, const std::vector<double>& below,
                 const char* flattered_by, double bar = 0) {
    results.add({std::string{"Transition: "} + what, above, below, flattered_by, bar});
    const std::vector<double> ratios = bench::ratios(above, below);
    std::vector<double> differences;
    for (std::size_t i = 0; i < above.size(); ++i)
        differences.push_back(above[i] - below[i]);
    std::printf("Transition: %s = %.2f (MAD %.2f, %d pairs), %+.2f ns (%.2f - %.2f); flattered by: %s\n", what,
                bench::median(ratios), bench::median_deviation(ratios), kRounds, bench::median(differences),
                bench::median(above), bench::median(below), flattered_by);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view{argv[1]} == "--way") {
        std::printf("%.4f\n", run_here(static_cast<Way>(std::atoi(argv[2]))));
        return 0;
    }
    const std::string json = bench::take_json_file(argc, argv);
    if (argc != 1 && !(argc == 2 && std::string_view{argv[1]} == "--recording")) {
        std::fprintf(
            stderr,
            "usage: transition_bench [--json FILE] [--recording]   (--recording: LTTng records this program)\n");
        return 2;
    }
    const bool recording = argc == 2;
    std::vector<double> none;
    std::vector<double> off;
    std::vector<double> metrics;
    std::vector<double> shared;
    std::vector<double> sleeps;
    std::vector<double> shared_sleeps;
    std::vector<double> clock;
    std::vector<double> sink;
    std::vector<double> recorded;
    for (int round = 0; round < kRounds; ++round) {
        none.push_back(run(Way::none));
        off.push_back(run(Way::off));
        metrics.push_back(run(Way::metrics));
        shared.push_back(run(Way::shared));
        sleeps.push_back(run(Way::sleeps));
        shared_sleeps.push_back(run(Way::shared_sleeps));
        clock.push_back(run(Way::clock));
        sink.push_back(run(Way::sink));
        if (recording) recorded.push_back(run(Way::recording));
    }
    print_ratio("hooks off / no hooks", off, none, "one task, branches always predicted");
    print_ratio("metrics / hooks off", metrics, off, "one task, its cache lines always near");
    print_ratio("metrics, one stamp a cycle / no hooks", shared, none, "as above, and the ready delay is always 1 ns");
    print_ratio("metrics, one stamp a cycle / metrics", shared, metrics, "as above");
    print_ratio("metrics, Running-Sleep-Ready / hooks off", sleeps, off, "as above");
    print_ratio("metrics / a clock read", metrics, clock, "as above, and durations that all lie in one bucket");
    print_ratio("metrics, one stamp a cycle / a clock read", shared, clock, "as above");
    print_ratio("metrics, Running-Sleep-Ready / a clock read", sleeps, clock, "as above");
    print_ratio("metrics, Running-Sleep-Ready with two stamps / a clock read", shared_sleeps, clock, "as above");
    print_ratio("a sink / hooks off", sink, off, "the burst fits into the ring, no writer beside it");
    if (recording) print_ratio("LTTng records / hooks off", recorded, off, "one writer, buffers never full");
    results.write(json);
    return 0;
}
