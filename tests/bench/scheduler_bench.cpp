// What the scheduler costs: stripped of the hooks, with hooks that nobody listens to, with metrics; against a bare
// coroutine, and against Boost.Asio.
//
//     scheduler_bench                  everything: some minutes
//     scheduler_bench --only Yield     what begins with that word
//     scheduler_bench --rounds 5       so many pairs for each ratio, instead of 15
//     scheduler_bench --json FILE      writes the ratios there, too
//     scheduler_bench --quick          few tasks: only to see that it runs
//
// Each measurement runs in a process of its own, by turns, many rounds; ratios are taken within a round, so that a slow
// moment of the machine meets both sides. CPU time, of loops, never of one call.

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "rounds.hpp"
#include "scheduler_cases.hpp"

namespace bench {

namespace {

// ---- who is measured ----

enum class System { bare, stripped, off, metrics, asio, asio_timer, walk };
constexpr std::array kNames{"a bare coroutine", "stripped", "hooks off", "metrics", "Asio", "an Asio timer", "a walk"};
const char* name_of(System system) {
    return kNames[static_cast<std::size_t>(system)];
}

const Cases* stripped_cases() {
    const auto beside_us = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    const auto path = beside_us / "scheduler_bench_stripped.so";
    void* const module = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    using Get = const Cases* (*)();
    const auto get = module == nullptr ? nullptr : reinterpret_cast<Get>(dlsym(module, "tiffany_scheduler_cases"));
    if (get == nullptr) {
        std::fprintf(stderr, "scheduler_bench: cannot load the stripped scheduler: %s\n", dlerror());
        std::exit(3);
    }
    return get();
}

/// Null: it was not compiled in.
const Cases* cases_of(System system) {
    switch (system) {
        case System::bare:
            return &bare_cases();
        case System::walk:
            return &walk_cases();
        case System::stripped:
            return stripped_cases();
        case System::off:
        case System::metrics:
            return tiffany_scheduler_cases();
        case System::asio:
            return asio_cases();
        case System::asio_timer:
            break;
    }
    return asio_timer_cases();
}

// ---- what is measured ----

using Case = double (*Cases::*)(const Setup&);

struct Pair {
    System above;
    System below;
    const char* flattered_by;
};

struct Row {
    const char* what;
    Case which;
    Setup setup;
    Setup quick;
    std::vector<Pair> pairs;
};

const std::vector<Row>& rows() {
    using enum System;
    static const char* const kNear = "tasks in the nearest caches, resumed in the order of their addresses";
    static const char* const kFar = "tasks resumed in the order of their addresses, so that they are fetched ahead";
    static const char* const kEnough = "tasks in the nearest caches; a wake of each is in it";
    static const char* const kTwice = "a task does nothing but yield; a wake of each, one in six, is in it";
    static const char* const kMany = "many wake at once, so that a look and a system call are for many";
    static const char* const kWalk = "nothing; the walk moves no timer and does nothing at a task";
    static const char* const kEnds = "the same; the end of Asio's coroutine is counted, too";
    static const char* const kFlood = "the receiver is rarely asleep";
    static const char* const kNoSteal = "each worker has tasks of its own, so that few are moved";
    static const std::vector<Row> all{
        {"Yield",
         &Cases::yield,
         {.tasks = 1024, .times = 2000},
         {.tasks = 64, .times = 20},
         {{stripped, bare, kNear},
          {off, stripped, kNear},
          {metrics, bare, kNear},
          {metrics, stripped, kNear},
          {metrics, asio, kNear},
          {stripped, asio, kNear}}},
        {"Yield",
         &Cases::yield,
         {.tasks = 1'000'000, .times = 5},
         {.tasks = 1000, .times = 5},
         {{stripped, bare, kFar}, {metrics, stripped, kFar}, {metrics, asio, kFar}}},
        {"Yield in random order",
         &Cases::yield_shuffled,
         {.tasks = 1024, .times = 2000},
         {.tasks = 64, .times = 20},
         {{stripped, bare, kEnough}, {metrics, stripped, kEnough}}},
        {"Yield in random order",
         &Cases::yield_shuffled,
         {.tasks = 1'000'000, .times = 5},
         {.tasks = 1000, .times = 5},
         {{stripped, bare, kTwice}, {metrics, stripped, kTwice}, {metrics, bare, kTwice}}},
        {"Spawn and finish",
         &Cases::spawn,
         {.tasks = 1024, .times = 200},
         {.tasks = 16, .times = 2},
         {{stripped, bare, kNear}, {off, stripped, kNear}, {metrics, stripped, kNear}, {metrics, asio, kNear}}},
        {"Sleep and wake",
         &Cases::sleep,
         {.tasks = 1'000'000},
         {.tasks = 1000},
         {{stripped, walk, kWalk},
          {off, stripped, kMany},
          {metrics, stripped, kMany},
          {metrics, asio_timer, kMany},
          {metrics, asio, kEnds}}},
        {"Post from another thread",
         &Cases::post,
         {.times = 300'000},
         {.times = 1000},
         {{off, stripped, kFlood}, {metrics, asio, kFlood}}},
        {"Pool of 1, yield",
         &Cases::pool_yield,
         {.tasks = 1024, .times = 500, .workers = 1},
         {.tasks = 64, .times = 20, .workers = 1},
         {{metrics, stripped, kNear}, {metrics, asio, kNear}}},
        {"Pool of 2, yield",
         &Cases::pool_yield,
         {.tasks = 1024, .times = 500, .workers = 2},
         {.tasks = 64, .times = 20, .workers = 2},
         {{metrics, stripped, kNoSteal}, {metrics, asio, kNoSteal}}},
    };
    return all;
}
std::string title_of(const Row& row, const Setup& setup) {
    return setup.tasks == 0 ? row.what : row.what + (", " + std::to_string(setup.tasks)) + " tasks";
}
constexpr Setup kAsleep{.tasks = 1'000'000};
constexpr Setup kAsleepQuick{.tasks = 10'000};

constexpr const char* kUsage = "usage: scheduler_bench [--quick] [--json FILE] [--rounds N] [--only BEGIN-OF-A-NAME]\n";

// ---- one measurement in a process of its own ----

Setup with_metrics(Setup setup, System system) {
    setup.metrics = system == System::metrics;
    return setup;
}

/// `--row R SYSTEM QUICK [TIMES]` and `--asleep SYSTEM QUICK`: what the processes are started with. TIMES is for
/// tests/integration/instructions.py, which counts what is in Scheduler::run.
int measure(int argc, char** argv) {
    const auto number = [&](int i) { return i < argc ? std::atoi(argv[i]) : 0; };
    setenv("TIFFANY_LTTNG", "0", 1);
    if (std::string_view{argv[1]} == "--row") {
        const Row& row = rows().at(static_cast<std::size_t>(number(2)));
        const auto system = static_cast<System>(number(3));
        Setup setup = with_metrics(number(4) != 0 ? row.quick : row.setup, system);
        if (number(5) != 0) setup.times = static_cast<std::size_t>(number(5));
        std::printf("%.4f ", (cases_of(system)->*row.which)(setup));
    } else {
        const auto system = static_cast<System>(number(2));
        const Bytes bytes = cases_of(system)->asleep(with_metrics(number(3) != 0 ? kAsleepQuick : kAsleep, system));
        std::printf("%.1f %.1f ", bytes.resident, bytes.allocated);
    }
    std::fflush(stdout);
    _exit(0);  // a million tasks need not be put away
}

// ---- all of them ----

Results results;

void print_ratio(const std::string& what, const Pair& pair, const std::vector<double>& above,
                 const std::vector<double>& below) {
    const std::vector<double> seen = ratios(above, below);
    results.add({what + ": " + name_of(pair.above) + " / " + name_of(pair.below), above, below, pair.flattered_by});
    std::printf("%s: %s / %s = %.2f (MAD %.2f, %zu pairs), %.1f ns / %.1f ns, at best %.1f / %.1f; flattered by: %s\n",
                what.c_str(), name_of(pair.above), name_of(pair.below), median(seen), median_deviation(seen),
                seen.size(), median(above), median(below), best(above), best(below), pair.flattered_by);
    std::fflush(stdout);
}

void run_row(std::size_t index, bool quick, int rounds) {
    const Row& row = rows()[index];
    std::vector<std::string> systems;
    for (const Pair& pair : row.pairs)
        for (const System system : {pair.above, pair.below})
            if (cases_of(system) != nullptr && std::ranges::find(systems, name_of(system)) == systems.end())
                systems.emplace_back(name_of(system));
    const Measured seen = by_turns(systems, rounds, [&](const std::string& name) {
        const auto system = std::ranges::find(kNames, name) - kNames.begin();
        return run_self({"--row", std::to_string(index), std::to_string(system), quick ? "1" : "0"}).numbers.front();
    });
    for (const Pair& pair : row.pairs)
        if (seen.contains(name_of(pair.above)) && seen.contains(name_of(pair.below)))
            print_ratio(title_of(row, quick ? row.quick : row.setup), pair, seen.at(name_of(pair.above)),
                        seen.at(name_of(pair.below)));
}

void run_asleep(bool quick) {
    using enum System;
    static const char* const kEmpty = "a coroutine without locals";
    const std::string title = "Asleep, " + std::to_string(quick ? kAsleepQuick.tasks : kAsleep.tasks) + " tasks";
    double resident_stripped = 0;
    for (const System system : {stripped, off, metrics, asio_timer, asio}) {
        if (cases_of(system) == nullptr) continue;
        const std::vector<double> bytes =
            run_self({"--asleep", std::to_string(static_cast<int>(system)), quick ? "1" : "0"}).numbers;
        std::printf("%s: %s = %.0f bytes resident, %.0f allocated; flattered by: %s\n", title.c_str(), name_of(system),
                    bytes.at(0), bytes.at(1), kEmpty);
        if (system == stripped)
            resident_stripped = bytes.at(0);
        else
            results.add({title + ": " + name_of(system) + " / " + name_of(stripped),
                         {bytes.at(0)},
                         {resident_stripped},
                         kEmpty,
                         "bytes resident"});
        std::fflush(stdout);
    }
}

void check_answers() {
    using enum System;
    const std::uint64_t answer = tiffany_scheduler_cases()->check(true);
    for (const System system : {stripped, off, asio}) {
        const Cases* const cases = cases_of(system);
        if (cases == nullptr || cases->check(false) == answer) continue;
        std::fprintf(stderr, "scheduler_bench: %s runs the tasks in another order\n", name_of(system));
        std::exit(1);
    }
}

}  // namespace
}  // namespace bench

int main(int argc, char** argv) {
    using namespace bench;
    if (argc > 3 && (std::string_view{argv[1]} == "--row" || std::string_view{argv[1]} == "--asleep"))
        return measure(argc, argv);
    const std::string json = take_json_file(argc, argv);
    bool quick = false;
    int rounds = 15;
    std::string_view only;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        if (argument == "--quick") {
            quick = true;
        } else if (argument == "--rounds" && i + 1 < argc) {
            rounds = std::max(1, std::atoi(argv[++i]));
        } else if (argument == "--only" && i + 1 < argc) {
            only = argv[++i];
        } else {
            std::fputs(kUsage, stderr);
            return 2;
        }
    }
    setenv("TIFFANY_LTTNG", "0", 1);
    if (asio_cases() == nullptr)
        std::puts("Asio: left out; it was not there to compile (libboost-dev), or does not know this compiler");
    check_answers();
    for (std::size_t i = 0; i < rows().size(); ++i)
        if (title_of(rows()[i], rows()[i].setup).starts_with(only)) run_row(i, quick, rounds);
    if (std::string_view{"Asleep"}.starts_with(only)) run_asleep(quick);
    results.write(json);
    return 0;
}
