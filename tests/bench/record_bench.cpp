// What a transition costs that LTTng records, in one thread; LTTng has to record this program:
//
//     paltrace record -o DIR -- record_bench [--rounds N] [--json FILE]     the hooks against a bare tracepoint
//     paltrace record -o DIR -- record_bench --clocks [...]                 the bare tracepoint with other clocks
//
//     paltrace record -o DIR -- record_bench --way NAME [TRANSITIONS]       one of the loops alone, for callgrind
//
// sustained.py asks it for its rate in two threads. Each way runs in a process of its own, by turns, many rounds;
// ratios are taken within a round. CPU time of the thread, a loop of transitions, never one call. --clocks leaves
// recordings of which some cannot be read: see docs/adr/0026.

#include <dlfcn.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/tracepoints/event_structs.hpp>
#include <vector>

#include "record_bare.hpp"
#include "rounds.hpp"

namespace {

// fits into the buffers that `paltrace record` makes: nothing waits for the consumer
constexpr std::uint64_t kTransitions = 400'000;

[[noreturn]] void fail(const char* why) {
    std::fprintf(stderr, "record_bench: %s\n", why);
    std::exit(3);
}

std::string beside_us(const char* name) {
    char self[PATH_MAX];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self);
    if (length <= 0) fail("cannot find out where it lies");
    const std::string path{self, static_cast<std::size_t>(length)};
    return path.substr(0, path.rfind('/') + 1) + name;
}

bench::BareLoop load_bare() {
    void* const module = dlopen(beside_us("record_bench_bare.so").c_str(), RTLD_NOW);
    if (module == nullptr) fail(dlerror());
    return reinterpret_cast<bench::BareLoop>(dlsym(module, bench::kBareLoop));
}

// ---- the loops ----

/// @param thread  of this process; readers tell workers by their id, all over a recording
void fire_bare(bench::BareLoop bare, std::uint64_t thread, std::uint64_t transitions, bool reads_clock) {
    const std::uint64_t worker = (static_cast<std::uint64_t>(getpid()) << 16) + thread;
    if (!bare(worker, transitions, reads_clock)) fail("LTTng does not record this program");
}

// a function of its own: tests/integration/instructions.py counts what is in it
[[gnu::noinline]] void call_hooks(tiffany::Worker& worker, std::uint64_t transitions) {
    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "bench"});
    for (std::uint64_t i = 1; i < transitions; i += 2) {
        worker.running(task);
        worker.yield(task);
    }
}

/// One look at the clock for the end of a run and the beginning of the next.
void call_hooks_with_stamps(tiffany::Worker& worker, std::uint64_t transitions) {
    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "bench"});
    worker.running(task);
    for (std::uint64_t i = 3; i < transitions; i += 2) {
        const tiffany::Stamp now = worker.now();
        worker.yield(task, now);
        worker.running(task, now);
    }
}

/// CPU time of a transition, ns, or of a clock read; how many transitions a recording must have of it.
struct Told {
    double ns;
    std::uint64_t fired;
};

using Hooks = void (*)(tiffany::Worker& worker, std::uint64_t transitions);

Told bare_told(bool reads_clock, std::uint64_t transitions) {
    const bench::BareLoop bare = load_bare();
    const std::uint64_t begin = bench::thread_cpu_ns();
    fire_bare(bare, 0, transitions, reads_clock);
    return {static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(transitions), transitions};
}

Told hooks_told(bool metrics, Hooks call, std::uint64_t transitions) {
    tiffany::SchedulerTelemetry telemetry{"bench", {.metrics = metrics}};
    const tiffany::WorkerLease lease = telemetry.worker();
    const std::uint64_t begin = bench::thread_cpu_ns();
    call(*lease, transitions);
    return {static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(transitions),
            telemetry.transitions()};
}

Told clock_read_told() {
    constexpr std::uint64_t kReads = 4'000'000;
    const tiffany::Clock& clock = tiffany::Clock::system();
    std::uint64_t sum = 0;
    const std::uint64_t begin = bench::thread_cpu_ns();
    for (std::uint64_t i = 0; i < kReads; ++i)
        sum += clock.ticks();
    asm volatile("" : : "r"(sum));
    return {static_cast<double>(bench::thread_cpu_ns() - begin) / static_cast<double>(kReads), 0};
}

/// Millions of transitions a second, two threads.
struct Rate {
    double wall;
    double cpu;  ///< by the CPU time of the threads: what it would be if nobody else wanted the CPUs
};

/// @param hooks  null: a bare tracepoint
Rate rate(Hooks hooks, std::uint64_t transitions) {
    constexpr std::uint64_t kThreads = 2;
    std::optional<tiffany::SchedulerTelemetry> telemetry;
    bench::BareLoop bare = nullptr;
    if (hooks != nullptr)
        telemetry.emplace("bench", tiffany::TelemetryOptions{.metrics = false});
    else
        bare = load_bare();
    std::latch ready{kThreads + 1};
    std::atomic<std::uint64_t> cpu_ns{0};
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 0; thread < kThreads; ++thread)
        threads.emplace_back([&, thread] {
            std::optional<tiffany::WorkerLease> lease;
            if (hooks != nullptr) lease.emplace(telemetry->worker());
            ready.arrive_and_wait();
            const std::uint64_t begin = bench::thread_cpu_ns();
            if (hooks != nullptr)
                hooks(**lease, transitions / kThreads);
            else
                fire_bare(bare, thread, transitions / kThreads, false);
            cpu_ns += bench::thread_cpu_ns() - begin;
        });
    ready.arrive_and_wait();
    const auto begin = std::chrono::steady_clock::now();
    threads.clear();
    const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
    const double count = static_cast<double>(transitions);
    return {count / took.count(), count / (static_cast<double>(cpu_ns) / kThreads / 1e3)};
}

Hooks hooks_of(std::string_view way) {
    if (way == "hooks") return call_hooks;
    return way == "stamps" ? call_hooks_with_stamps : nullptr;
}

Told run_here(std::string_view way, std::uint64_t transitions) {
    if (way == "bare") return bare_told(false, transitions);
    if (way == "bare and clock") return bare_told(true, transitions);
    if (way == "hooks") return hooks_told(false, call_hooks, transitions);
    if (way == "stamps") return hooks_told(false, call_hooks_with_stamps, transitions);
    if (way == "metrics") return hooks_told(true, call_hooks, transitions);
    if (way == "clock") return clock_read_told();
    fail("no such way");
}

// ---- all of them ----

struct Options {
    int rounds = 15;
    std::string json;
};

std::uint64_t fired = 0;  // in all

double measure(const std::string& way) {
    const std::vector<double> told = bench::run_self({"--way", way}).numbers;
    fired += static_cast<std::uint64_t>(told.at(1));
    return told.at(0);
}

void print_ratio(bench::Results& results, bench::Comparison seen) {
    const std::vector<double> ratios = bench::ratios(seen.above, seen.below);
    std::printf(
        "Recorded transition: %s = %.3f (MAD %.3f, %zu pairs; best to best %.3f), %.1f ns / %.1f ns; flattered by: "
        "%s\n",
        seen.name.c_str(), bench::median(ratios), bench::median_deviation(ratios), ratios.size(),
        bench::best(seen.above) / bench::best(seen.below), bench::median(seen.above), bench::median(seen.below),
        seen.flattered_by.c_str());
    seen.name.insert(0, "Recorded transition: ");
    results.add(std::move(seen));
}

void compare_hooks(const Options& options) {
    static constexpr const char* kFlatteredBy =
        "one task, buffers never full; a bare tracepoint is what LTTng's macros make, which write each field by a call";
    bench::Measured ns =
        bench::by_turns({"bare", "bare and clock", "hooks", "stamps", "metrics", "clock"}, options.rounds, measure);
    // what the hooks may cost without metrics, and a transition's metrics
    std::vector<double> allowed;
    for (std::size_t i = 0; i < ns["clock"].size(); ++i)
        allowed.push_back(1.05 * ns["bare and clock"][i] + 1.2 * ns["clock"][i]);
    bench::Results results;
    print_ratio(results,
                {"hooks / a bare tracepoint and a clock read", ns["hooks"], ns["bare and clock"], kFlatteredBy});
    print_ratio(results, {"metrics too / 1.05 of the same and 1.2 clock reads", ns["metrics"], allowed, kFlatteredBy});
    print_ratio(results, {"hooks / a bare tracepoint", ns["hooks"], ns["bare"], kFlatteredBy});
    print_ratio(results, {"hooks, one stamp a cycle / a bare tracepoint", ns["stamps"], ns["bare"], kFlatteredBy});
    print_ratio(results, {"a bare tracepoint and a clock read / a bare tracepoint", ns["bare and clock"], ns["bare"],
                          kFlatteredBy});
    results.write(options.json);
}

void compare_clocks(const Options& options) {
    setenv("LTTNG_UST_CLOCK_PLUGIN", beside_us("record_bench_clock.so").c_str(), 1);
    bench::Measured ns =
        bench::by_turns({"default", "ordered", "unordered", "free"}, options.rounds, [](const std::string& clock) {
            clock == "default" ? unsetenv("RECORD_BENCH_CLOCK") : setenv("RECORD_BENCH_CLOCK", clock.c_str(), 1);
            return measure("bare");
        });
    bench::Results results;
    for (const std::string clock : {"ordered", "unordered", "free"})
        print_ratio(results, {"a bare tracepoint, " + clock + " clock / LTTng's clock", ns[clock], ns["default"],
                              "no correction of drift, one thread"});
    results.write(options.json);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc >= 3 && argc <= 4 && std::string_view{argv[1]} == "--way") {
        const std::uint64_t transitions = argc == 4 ? std::strtoull(argv[3], nullptr, 10) : kTransitions;
        const Told told = run_here(argv[2], transitions);
        std::printf("%.4f %llu\n", told.ns, static_cast<unsigned long long>(told.fired));
        return 0;
    }
    if (argc == 4 && std::string_view{argv[1]} == "--rate") {
        const Rate seen = rate(hooks_of(argv[2]), std::strtoull(argv[3], nullptr, 10));
        std::printf("%.4f %.4f\n", seen.wall, seen.cpu);
        return 0;
    }
    Options options;
    options.json = bench::take_json_file(argc, argv);
    bool clocks = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option = argv[i];
        if (option == "--clocks") {
            clocks = true;
        } else if (option == "--rounds" && i + 1 < argc && std::atoi(argv[i + 1]) > 0) {
            options.rounds = std::atoi(argv[++i]);
        } else {
            std::fputs("usage: paltrace record -o DIR -- record_bench [--clocks] [--rounds N] [--json FILE]\n", stderr);
            return 2;
        }
    }
    clocks ? compare_clocks(options) : compare_hooks(options);
    std::printf("Fired: %llu\n", static_cast<unsigned long long>(fired));  // tools/performance compares
    return 0;
}
