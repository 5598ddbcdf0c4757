// What metrics cost: a transition's, beside the same written straight with prometheus-cpp; and what scrapes take and
// do.
//
//     metrics_bench                     everything: about three minutes
//     metrics_bench --only Transition   what begins with that word: Transition, Pace, Scrape
//     metrics_bench --json FILE         writes the ratios there, too
//     metrics_bench --quick             few and short: only to see that it runs
//
// Each way runs in a process of its own, by turns, in each round; ratios are taken within a round. Pace: two workers at
// full speed in one process, in slices of time with and without what disturbs them, by turns. CPU time of the workers'
// threads: who takes their CPU is not counted, what that does to their caches is.

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "metrics_cases.hpp"
#include "rounds.hpp"
#include "scrape_cases.hpp"

namespace {

using namespace bench;
using namespace std::chrono_literals;

struct Size {
    int rounds = 15;
    std::chrono::milliseconds each = 200ms;            // way, and thread
    int seconds = 200;                                 // pairs of times with and without a second thread
    Slices with_scrapes{.pairs = 100, .each = 100ms};  // 10 s with scrapes
    Slices with_clients{.pairs = 20, .each = 1s};      // each of those that send a byte a second has sent one
    int scrapes = 100;
};
constexpr Size kFull;
constexpr Size kQuick{.rounds = 2,
                      .each = 20ms,
                      .seconds = 3,
                      .with_scrapes{.pairs = 2, .each = 100ms},
                      .with_clients{.pairs = 2, .each = 100ms},
                      .scrapes = 3};

double highest(const std::vector<double>& values) {
    return *std::ranges::max_element(values);
}

// ---- one measurement in a process of its own ----

void print(const std::vector<TimePair>& pairs) {
    for (const TimePair& pair : pairs)
        std::printf("%.5f %.5f ", pair.with_ns, pair.without_ns);
}

int measure(std::string_view what, const char* first, const char* second, const Size& size) {
    if (what == "transition") {
        std::printf("%.5f ", transition_ns(first, std::atoi(second), size.each));
    } else if (what == "line") {
        std::printf("%.1f ", line_round_trip_ns());
    } else if (what == "second") {
        print(beside_a_second_thread(first, size.seconds));
    } else if (what == "scrapes") {
        print(pace_under_scrapes(size.with_scrapes));
    } else if (what == "clients") {
        const BrokenClients seen = pace_under_broken_clients(size.with_clients);
        std::printf("%.3f %.3f %.3f %zu ", seen.grown_mib, median(seen.scrape_ms), highest(seen.scrape_ms),
                    seen.scrape_ms.size());
        print(seen.pace);
    } else {
        const ScrapeTimes seen = scrape_times(std::atoi(first), std::atoi(second), size.scrapes);
        std::printf("%.4f %.4f %.4f %.4f %.1f ", median(seen.wall_ms), median_deviation(seen.wall_ms),
                    highest(seen.wall_ms), median(seen.cpu_ms), seen.page_kib);
    }
    std::fflush(stdout);
    return 0;
}

std::vector<double> run(const std::string& what, const std::string& first, int second, bool quick) {
    return run_self({"--measure", what, first, std::to_string(second), quick ? "quick" : "full"}).numbers;
}

// ---- all of them ----

Results results;

void print_ratio(const std::string& what, const std::vector<double>& above, const std::vector<double>& below,
                 const char* flattered_by) {
    const std::vector<double> seen = ratios(above, below);
    results.add({what, above, below, flattered_by});
    std::printf("%s = %.3f (MAD %.3f, %zu pairs; best to best %.3f), %.1f ns / %.1f ns; flattered by: %s\n",
                what.c_str(), median(seen), median_deviation(seen), seen.size(), best(above) / best(below),
                median(above), median(below), flattered_by);
    std::fflush(stdout);
}

/// Prints a ratio of the pairs in `numbers` from `first` on.
void print_pairs(const char* what, const std::vector<double>& numbers, std::size_t first, const char* flattered_by) {
    std::vector<double> with;
    std::vector<double> without;
    for (std::size_t i = first; i + 1 < numbers.size(); i += 2) {
        with.push_back(numbers[i]);
        without.push_back(numbers[i + 1]);
    }
    if (with.empty())
        std::printf("%s: left out, the threads were never given a CPU each\n", what);
    else
        print_ratio(what, with, without, flattered_by);
}

void compare_transitions(const Size& size, bool quick) {
    const Measured ns =
        by_turns({"line 0", "here 1", "here 2", "straight 1", "straight 2", "same 1", "same 2"}, size.rounds,
                 [quick](const std::string& way) {  // and the number of threads
                     const std::string what = way.substr(0, way.find(' '));
                     return run(what == "line" ? what : "transition", what, way.back() - '0', quick).front();
                 });
    const std::vector<double>& line = ns.at("line 0");
    static const char* const kNear = "one task, its cache lines always near, durations that all lie in one bucket";
    static const char* const kShared = "threads that do nothing but write metrics";
    print_ratio("Transition, one thread: prometheus-cpp / here", ns.at("straight 1"), ns.at("here 1"), kNear);
    print_ratio("Transition, one thread: prometheus-cpp, no more than here / here", ns.at("same 1"), ns.at("here 1"),
                kNear);
    print_ratio("Transition, two threads: prometheus-cpp, one series / here", ns.at("straight 2"), ns.at("here 2"),
                kShared);
    print_ratio("Transition, two threads: prometheus-cpp, one series, no more than here / here", ns.at("same 2"),
                ns.at("here 2"), kShared);
    std::printf("Transition, two threads: a cache line to the other CPU and back = %.0f ns (MAD %.0f)\n", median(line),
                median_deviation(line));
    print_pairs("Transition, here: beside a second thread / alone", run("second", "here", 0, quick), 0, kNear);
    print_pairs("Transition, a clock read: beside a second thread / alone", run("second", "clock", 0, quick), 0,
                "nothing: it is what the machine takes for a second thread");
}

void compare_pace(bool quick) {
    print_pairs("Pace: scraped 20 times a second / not scraped", run("scrapes", "", 0, quick), 0,
                "one scheduler, a page of a few KiB");
    const std::vector<double> clients = run("clients", "", 0, quick);
    print_pairs("Pace: 1,000 broken clients / none", clients, 4,
                "the clients share the two workers' CPUs, not counted");
    std::printf(
        "Pace: a good scrape beside 1,000 broken clients = %.1f ms, at most %.1f ms (%.0f scrapes); "
        "memory: at most %.1f MiB more\n",
        clients.at(1), clients.at(2), clients.at(3), clients.at(0));
}

void time_scrapes(bool quick) {
    struct Crew {
        int schedulers;
        int workers;
    };
    for (const Crew crew : {Crew{1, 1}, Crew{1, 64}, Crew{1, 1024}, Crew{100, 1}}) {
        const std::vector<double> seen = run("scrape", std::to_string(crew.schedulers), crew.workers, quick);
        std::printf(
            "Scrape, schedulers x workers = %d x %d: %.2f ms (MAD %.2f, at most %.2f), CPU with the client "
            "%.2f ms, %.0f KiB; flattered by: workers that are parked\n",
            crew.schedulers, crew.workers, seen.at(0), seen.at(1), seen.at(2), seen.at(3), seen.at(4));
        std::fflush(stdout);
    }
}

}  // namespace

int main(int argc, char** argv) {
    setenv("TIFFANY_LTTNG", "0", 1);
    if (argc == 6 && std::string_view{argv[1]} == "--measure")
        return measure(argv[2], argv[3], argv[4], std::string_view{argv[5]} == "quick" ? kQuick : kFull);
    const std::string json = take_json_file(argc, argv);
    bool quick = false;
    std::string_view only;
    for (int i = 1; i < argc; ++i) {
        const std::string_view argument{argv[i]};
        if (argument == "--quick") {
            quick = true;
        } else if (argument == "--only" && i + 1 < argc) {
            only = argv[++i];
        } else {
            std::fputs("usage: metrics_bench [--quick] [--json FILE] [--only Transition|Pace|Scrape]\n", stderr);
            return 2;
        }
    }
    if (!same_answers()) return 1;
    const auto wanted = [only](std::string_view name) { return name.starts_with(only); };
    if (wanted("Transition")) compare_transitions(quick ? kQuick : kFull, quick);
    if (wanted("Pace")) compare_pace(quick);
    if (wanted("Scrape")) time_scrapes(quick);
    results.write(json);
    return 0;
}
