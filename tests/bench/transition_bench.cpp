// What a transition costs: with no hooks, with hooks that nobody listens to, with metrics, with a pal::Sink, with
// bpftrace. With LTTng recording: record_bench.
//
//     transition_bench [--json FILE] [--rounds N]    default: 15 rounds, about half a minute
//     transition_bench --way NAME [TRANSITIONS]      one of the loops alone, for callgrind: prints ns a transition
//     transition_bench --attached                    while a tracer is attached to its probes: docs/hooks.md
//
// Each way runs in a process of its own, by turns, many rounds; ratios are taken within a round, so that a slow moment
// of the machine meets both sides. CPU time of the thread, a loop of transitions, never one call.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "rounds.hpp"
#include "transition_cases.hpp"

namespace {

int rounds = 15;

struct Pair {
    const char* what;
    const char* above;
    const char* below;
    const char* flattered_by;
    double bar = 0;  // of the ratio; 0 = none
};

constexpr const char* kNear = "one task, its cache lines always near";
constexpr const char* kAlike = "one task, always near, and durations that all lie in one bucket";
constexpr const char* kSpread =
    "one task, its cache lines always near; one in two loops reads a table beside the clock";
constexpr const char* kTimesAlone = "a task is its times alone, a switch does nothing else";

constexpr Pair kPairs[] = {
    {"hooks off / no hooks", "off", "none", "one task, branches always predicted"},
    {"metrics / hooks off", "metrics", "off", kNear},
    {"metrics / a clock read", "metrics", "clock", kAlike, 1.2},
    {"metrics, one stamp a cycle / a clock read", "shared", "clock", kAlike, 0.75},
    {"metrics, Running-Sleep-Ready / a clock read", "sleeps", "clock", kAlike, 1.2},
    // all three: 2.5
    {"metrics, Running-Sleep-Ready with two stamps / a clock read", "shared-sleeps", "clock", kAlike, 2.5 / 3},
    {"metrics, any bucket / a clock read", "spread-metrics", "spread-clock", kSpread, 1.2},
    {"metrics, Running-Sleep-Ready, any bucket / a clock read", "spread-sleeps", "spread-clock", kSpread, 1.2},
    {"metrics, Running-Sleep-Ready with two stamps, any bucket / a clock read", "spread-shared-sleeps", "spread-clock",
     kSpread, 2.5 / 3},
    {"a switch among 1,000 tasks / of 1", "switch-1000", "switch-1", kTimesAlone},
    {"a switch among 1,000,000 tasks / of 1", "switch-1000000", "switch-1", kTimesAlone},
    {"a switch among 1,000 tasks, fetched ahead / of 1", "switch-1000-fetched", "switch-1", kTimesAlone},
    {"a switch among 1,000,000 tasks, fetched ahead / of 1", "switch-1000000-fetched", "switch-1", kTimesAlone},
    {"a sink / hooks off", "sink", "off", "the burst fits into the ring, no writer beside it"},
};
constexpr Pair kAttached[] = {
    {"bpftrace counts hooks / a bare probe", "attached-probe", "bare-probe", "nothing: the kernel's part is the same",
     1.05},
    {"bpftrace counts hooks / a bare probe whose time is measured", "attached-probe", "measured-probe",
     "nothing: the kernel's part is the same"},
};

double run(const char* way) {
    return bench::run_self({"--way", way}).numbers.front();
}

/// All pairs by turns; each way once a round.
template <typename Pairs>
bench::Results compare(const Pairs& pairs) {
    std::map<std::string_view, std::vector<double>> ns;
    for (const Pair& pair : pairs)
        ns[pair.above], ns[pair.below];
    for (int round = 0; round < rounds; ++round)
        for (auto& [way, seen] : ns)
            seen.push_back(run(way.data()));
    bench::Results results;
    for (const Pair& pair : pairs) {
        const std::vector<double>& above = ns.at(pair.above);
        const std::vector<double>& below = ns.at(pair.below);
        const std::vector<double> ratios = bench::ratios(above, below);
        std::vector<double> differences;
        for (std::size_t i = 0; i < above.size(); ++i)
            differences.push_back(above[i] - below[i]);
        std::printf("Transition: %s = %.2f (MAD %.2f, %d pairs), %+.2f ns (%.2f - %.2f); flattered by: %s\n", pair.what,
                    bench::median(ratios), bench::median_deviation(ratios), rounds, bench::median(differences),
                    bench::median(above), bench::median(below), pair.flattered_by);
        results.add({std::string{"Transition: "} + pair.what, above, below, pair.flattered_by, pair.bar});
    }
    return results;
}

constexpr const char* kUsage =
    "usage: transition_bench [--json FILE] [--rounds N] [--attached]\n"
    "       transition_bench --way NAME [TRANSITIONS]\n"
    "  --attached: a tracer is attached to its probes\n";

int run_here(std::string_view name, const char* transitions) {
    const auto found =
        std::ranges::find(bench::ways(), name, [](const bench::Way& way) { return std::string_view{way.name}; });
    if (found == bench::ways().end()) {
        std::fputs("transition_bench: expected one of", stderr);
        for (const bench::Way& way : bench::ways())
            std::fprintf(stderr, " %s", way.name);
        std::fputs("\n", stderr);
        return 2;
    }
    setenv("TIFFANY_LTTNG", "0", 1);
    std::printf("%.4f\n",
                found->ns(transitions == nullptr ? found->transitions : std::strtoull(transitions, nullptr, 10)));
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const std::string json = bench::take_json_file(argc, argv);
    if (argc > 2 && argc < 5 && std::string_view{argv[1]} == "--way") return run_here(argv[2], argv[3]);
    bool attached = false;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        if (argument == "--rounds" && i + 1 < argc) {
            rounds = std::max(1, std::atoi(argv[++i]));
        } else if (argument == "--attached") {
            attached = true;
        } else {
            std::fputs(kUsage, stderr);
            return 2;
        }
    }
    if (attached)
        compare(kAttached).write(json);
    else
        compare(kPairs).write(json);
    return 0;
}
