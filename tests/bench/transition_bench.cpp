// What a transition costs: with no hooks, with hooks that nobody listens to, with metrics, with a pal::Sink, with
// bpftrace. With LTTng recording: record_bench.
//
//     transition_bench [--json FILE] [--rounds N]    default: 15 rounds, about half a minute
//     transition_bench --way NAME [TRANSITIONS]      one of the loops alone, for callgrind: prints ns a transition, and
//                                                    how many were fired
//     transition_bench --attached                    while a tracer is attached to its probes: attached_bench.py
//
// Each way runs in a process of its own, by turns, many rounds; ratios are taken within a round, so that a slow moment
// of the machine meets both sides. CPU time of the thread, a loop of transitions, never one call.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
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
};

constexpr const char* kNear = "one task, its cache lines always near";
constexpr const char* kAlike = "one task, always near, and durations that all lie in one bucket";
constexpr const char* kSpread =
    "one task, its cache lines always near; one in two loops reads a table beside the clock";
constexpr const char* kTimesAlone = "a task is its times alone, a switch does nothing else";

constexpr Pair kPairs[] = {
    {"hooks off / no hooks", "off", "none", "one task, branches always predicted"},
    {"metrics / hooks off", "metrics", "off", kNear},
    {"metrics / a clock read", "metrics", "clock", kAlike},
    {"metrics, one stamp a cycle / a clock read", "shared", "clock", kAlike},
    {"metrics, Running-Sleep-Ready / a clock read", "sleeps", "clock", kAlike},
    {"metrics, Running-Sleep-Ready with two stamps / a clock read", "shared-sleeps", "clock", kAlike},
    {"metrics, any bucket / a clock read", "spread-metrics", "spread-clock", kSpread},
    {"metrics, Running-Sleep-Ready, any bucket / a clock read", "spread-sleeps", "spread-clock", kSpread},
    {"metrics, Running-Sleep-Ready with two stamps, any bucket / a clock read", "spread-shared-sleeps", "spread-clock",
     kSpread},
    {"a switch among 1,000 tasks / of 1", "switch-1000", "switch-1", kTimesAlone},
    {"a switch among 1,000,000 tasks / of 1", "switch-1000000", "switch-1", kTimesAlone},
    {"a switch among 1,000 tasks, fetched ahead / of 1", "switch-1000-fetched", "switch-1", kTimesAlone},
    {"a switch among 1,000,000 tasks, fetched ahead / of 1", "switch-1000000-fetched", "switch-1", kTimesAlone},
    {"a sink / hooks off", "sink", "off", "the burst fits into the ring, no writer beside it"},
};
constexpr Pair kAttached[] = {
    {"bpftrace counts hooks / a bare probe", "attached-probe", "bare-probe", "nothing: the kernel's part is the same"},
    {"bpftrace counts hooks / a bare probe whose time is measured", "attached-probe", "measured-probe",
     "nothing: the kernel's part is the same"},
};

const bench::Way* find(std::string_view name) {
    const auto found =
        std::ranges::find(bench::ways(), name, [](const bench::Way& way) { return std::string_view{way.name}; });
    return found == bench::ways().end() ? nullptr : &*found;
}

/// All pairs by turns; each way once a round.
/// @param fired  grows by how many transitions, or what they are compared with, that was in all
template <typename Pairs>
bench::Results compare(const Pairs& pairs, std::uint64_t& fired) {
    std::vector<std::string> ways;
    for (const Pair& pair : pairs)
        for (const char* const way : {pair.above, pair.below})
            if (std::ranges::find(ways, way) == ways.end()) ways.emplace_back(way);
    const bench::Measured ns = bench::by_turns(ways, rounds, [&fired](const std::string& way) {
        const std::vector<double> told = bench::run_self({"--way", way}).numbers;
        fired += static_cast<std::uint64_t>(told.at(1));
        return told.at(0);
    });
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
        results.add({std::string{"Transition: "} + pair.what, above, below, pair.flattered_by});
    }
    return results;
}

constexpr const char* kUsage =
    "usage: transition_bench [--json FILE] [--rounds N] [--attached]\n"
    "       transition_bench --way NAME [TRANSITIONS]\n"
    "  --attached: a tracer is attached to its probes\n";

int run_here(std::string_view name, const char* transitions) {
    const bench::Way* const way = find(name);
    if (way == nullptr) {
        std::fputs("transition_bench: expected one of", stderr);
        for (const bench::Way& known : bench::ways())
            std::fprintf(stderr, " %s", known.name);
        std::fputs("\n", stderr);
        return 2;
    }
    setenv("TIFFANY_LTTNG", "0", 1);
    const std::uint64_t wanted = transitions == nullptr ? way->transitions : std::strtoull(transitions, nullptr, 10);
    const bench::Told told = way->run(wanted);
    std::printf("%.4f %llu\n", told.ns, static_cast<unsigned long long>(told.fired));
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
    std::uint64_t fired = 0;
    if (attached) {
        compare(kAttached, fired).write(json);
        std::printf("Fired: %llu\n", static_cast<unsigned long long>(fired));  // attached_bench.py compares
    } else {
        compare(kPairs, fired).write(json);
    }
    return 0;
}
