// What the adapter for oneTBB costs: CPU time a task.
//
//     tbb_bench [--trees N] [--rounds N] [--json FILE]
//     paltrace record -o DIR -- tbb_bench --recording
//
// Trees of tasks, each of which spawns two and waits for them, on one thread of TBB's. Each way runs in a process of
// its own, by turns, in each round; ratios are taken within a round. All must compute the same.
//   stripped     compiled without telemetry: TBB's own classes
//   off          with hooks; nothing listens
//   metrics      with metrics
//   LTTng        metrics off, and LTTng records all of it (with --recording)

#include <dlfcn.h>

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "rounds.hpp"
#include "tree_case.hpp"

namespace {

constexpr int kDepth = 10;  // 2,046 tasks a tree

struct Load {
    const char* name;
    std::uint64_t work;  // of a task
};
// nothing to do is the worst that a program can ask for; some microseconds are the least that TBB advises
constexpr Load kLoads[] = {{"empty", 0}, {"of some microseconds", 4'000}};

[[noreturn]] void fail(const std::string& why, int status = 3) {
    std::fprintf(stderr, "tbb_bench: %s\n", why.c_str());
    std::exit(status);
}

using TreeCase = bench::TreeSpent (*)(const bench::TreeSetup&);

TreeCase stripped_case() {
    const auto beside_us = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    void* const module = dlopen((beside_us / "tbb_bench_stripped.so").c_str(), RTLD_NOW | RTLD_LOCAL);
    void* const found = module == nullptr ? nullptr : dlsym(module, "tiffany_tree_case");
    if (found == nullptr) fail(std::string{"cannot load the stripped trees: "} + dlerror());
    return reinterpret_cast<TreeCase>(found);
}

/// In a process of its own: prints ns a task, and what the tasks computed, as far as a double has it.
void run_here(std::string_view way, int trees, std::uint64_t work) {
    if (way != "LTTng") setenv("TIFFANY_LTTNG", "0", 1);
    const bench::TreeSetup setup{trees, kDepth, work, way == "metrics"};
    const bench::TreeSpent spent = way == "stripped" ? stripped_case()(setup) : tiffany_tree_case(setup);
    if (spent.task_ns < 0) fail("the tasks did not run");
    std::printf("%.4f %" PRIu64 "\n", spent.task_ns, spent.sum >> 16);
}

int number(const char* text) {
    char* end = nullptr;
    const long value = std::strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < 0 || value > 1'000'000)
        fail("expected a number up to 1000000, found " + std::string{text}, 2);
    return static_cast<int>(value);
}

void compare(const Load& load, const std::vector<std::string>& ways, int trees, int rounds, bench::Results& results) {
    static constexpr const char* kFlatteredBy = "one thread: no task is stolen; the tasks lie in the nearest caches";
    // as much time for each load
    const int some = load.work == 0 ? trees : (trees + 9) / 10;
    std::vector<double> sums;
    const bench::Measured ns = bench::by_turns(ways, rounds, [&](const std::string& way) {
        const std::vector<double> told =
            bench::run_self({"--trees", std::to_string(some), "--work", std::to_string(load.work), "--way", way})
                .numbers;
        sums.push_back(told.at(1));
        return told.at(0);
    });
    for (const double sum : sums)
        if (sum != sums.front()) fail("not all ways computed the same");
    const std::vector<double>& stripped = ns.at(ways.front());
    for (std::size_t i = 1; i < ways.size(); ++i) {
        const std::vector<double>& above = ns.at(ways[i]);
        const std::string name = std::string{"Task, "} + load.name + ": " + ways[i] + " / " + ways.front();
        const std::vector<double> ratios = bench::ratios(above, stripped);
        results.add({name, above, stripped, kFlatteredBy});
        std::printf("%s = %.3f (MAD %.3f, %d pairs; best to best %.3f), %.1f ns / %.1f ns; flattered by: %s\n",
                    name.c_str(), bench::median(ratios), bench::median_deviation(ratios), rounds,
                    bench::best(above) / bench::best(stripped), bench::median(above), bench::median(stripped),
                    kFlatteredBy);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string json = bench::take_json_file(argc, argv);
    bool recording = false;
    const char* way = nullptr;
    int trees = 200;
    int rounds = 9;
    int work = 0;
    for (int i = 1; i < argc; ++i) {
        const std::string_view option{argv[i]};
        if (option == "--recording") {
            recording = true;
            continue;
        }
        const char* const value = i + 1 < argc ? argv[++i] : "";
        if (option == "--trees")
            trees = number(value);
        else if (option == "--rounds")
            rounds = number(value);
        else if (option == "--work")
            work = number(value);
        else if (option == "--way")
            way = value;
        else
            fail("usage: tbb_bench [--recording] [--trees N] [--rounds N] [--json FILE]", 2);
    }
    if (way != nullptr) {
        run_here(way, trees, static_cast<std::uint64_t>(work));
        return 0;
    }
    std::vector<std::string> ways{"stripped", "off", "metrics"};
    if (recording) ways.emplace_back("LTTng");
    bench::Results results;
    for (const Load& load : kLoads)
        compare(load, ways, trees, rounds, results);
    results.write(json);
    return 0;
}
