// What the process's own log costs (TIFFANY_PAL): on a transition, in the whole process, and how fast it may go.
//
//     pal_bench [--json FILE] [--rounds N] [FOLDER]    9 rounds by default; its files lie in FOLDER (default: the
//     present one) and are removed
//
//     paltrace record -o DIR -- pal_bench --recording [FOLDER]
//
// Each way runs in a process of its own, by turns, in each round; ratios are taken within a round.
//   Transition   CPU time of the worker's thread in bursts that fit into its ring, while the log's thread writes
//   Event        CPU time of a whole process, beginning and end included, less that of one that fires nothing; against
//                one that writes the same bytes, in the same pieces, and does nothing else
//   Rate         a worker fires at an even rate for a second; the highest of which nothing was lost

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "rounds.hpp"

namespace {

int rounds = 9;
constexpr std::uint64_t kBurst = 400'000;
constexpr std::uint64_t kFits = 20'000;  // transitions, in a ring of 2 MiB
constexpr std::uint64_t kEvents = 1'000'000;
constexpr std::size_t kPiece = std::size_t{256} << 10;
constexpr int kRates[] = {1, 2, 3, 4, 5, 6, 8};  // million transitions a second

std::uint64_t ns_of(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

[[noreturn]] void fail(const char* why) {
    std::fprintf(stderr, "pal_bench: %s\n", why);
    std::exit(3);
}

// ---- in a process of its own; each prints a number ----

double clock_reads() {
    const tiffany::Clock& clock = tiffany::Clock::system();
    const std::uint64_t begin = ns_of(CLOCK_THREAD_CPUTIME_ID);
    for (std::uint64_t i = 0; i < kBurst; ++i) {
        const std::uint64_t ticks = clock.ticks();
        asm volatile("" : : "r"(ticks) : "memory");
    }
    return static_cast<double>(ns_of(CLOCK_THREAD_CPUTIME_ID) - begin) / static_cast<double>(kBurst);
}

/// Fires so many transitions and calls `pause` with the number after each few.
template <typename Pause>
double fire(std::uint64_t transitions, const Pause& pause) {
    tiffany::SchedulerTelemetry telemetry{"bench", {.metrics = false}};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "bench"});
    const std::uint64_t begin = ns_of(CLOCK_THREAD_CPUTIME_ID);
    for (std::uint64_t i = 0; i < transitions; i += 2) {
        lease->running(task);
        lease->yield(task);
        if (i % 64 == 0) pause(i);
    }
    return static_cast<double>(ns_of(CLOCK_THREAD_CPUTIME_ID) - begin) / static_cast<double>(transitions);
}

/// Bursts that fit into the ring as it is by default, with pauses in which it is emptied.
double bursts(const char* target) {
    tiffany::configure({.pal = target, .environment = false});
    tiffany::SchedulerTelemetry telemetry{"bench", {.metrics = false}};
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "bench"});
    std::uint64_t ns = 0;
    for (std::uint64_t fired = 0; fired < kBurst; fired += kFits) {
        if (!tiffany::flush_pal()) fail("the log is too slow");
        const std::uint64_t begin = ns_of(CLOCK_THREAD_CPUTIME_ID);
        for (std::uint64_t i = 0; i < kFits; i += 2) {
            lease->running(task);
            lease->yield(task);
        }
        ns += ns_of(CLOCK_THREAD_CPUTIME_ID) - begin;
    }
    if (!tiffany::flush_pal() || tiffany::pal_status().lost != 0) fail("a burst did not fit");
    return static_cast<double>(ns) / static_cast<double>(kBurst);
}

double file_of(const char* name, std::uint64_t transitions) {
    tiffany::configure({.pal = name, .environment = false});
    // at a rate that is no burst, so that nothing is lost: else less would be written than counted
    const std::uint64_t begin = ns_of(CLOCK_MONOTONIC);
    fire(transitions, [begin](std::uint64_t fired) {
        if (fired % 2048 != 0) return;
        const std::uint64_t due = begin + fired * 1000;
        const std::uint64_t now = ns_of(CLOCK_MONOTONIC);
        if (now >= due) return;
        const timespec pause{0, static_cast<long>(std::min<std::uint64_t>(due - now, 900'000'000))};
        nanosleep(&pause, nullptr);
    });
    if (tiffany::pal_status().problem != tiffany::PalProblem::none) fail("no log");
    return static_cast<double>(tiffany::pal_status().lost);
}

double same_bytes(const char* name, std::uint64_t bytes) {
    const std::vector<char> piece(kPiece, 'x');
    const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    while (file >= 0 && bytes != 0) {
        const ssize_t written = write(file, piece.data(), std::min<std::uint64_t>(bytes, piece.size()));
        if (written <= 0) fail("cannot write");
        bytes -= static_cast<std::uint64_t>(written);
    }
    close(file);
    return 0;
}

double lost_at(const char* name, std::uint64_t million) {
    tiffany::configure({.pal = name, .environment = false});
    const std::uint64_t rate = million * 1'000'000;
    const std::uint64_t begin = ns_of(CLOCK_MONOTONIC);
    bool late = false;
    fire(rate, [&](std::uint64_t fired) {
        const std::uint64_t due = begin + fired * 1000 / million;
        std::uint64_t now = ns_of(CLOCK_MONOTONIC);
        late = now > due + 100'000'000;  // the worker itself is not as fast as that
        while (now < due)
            now = ns_of(CLOCK_MONOTONIC);
    });
    tiffany::flush_pal();
    return late ? -1 : static_cast<double>(tiffany::pal_status().lost);
}

double run_here(std::string_view way, const char* name, std::uint64_t number) {
    if (way == "clock") return clock_reads();
    if (way == "recorded") {
        tiffany::configure({.environment = false});
        return fire(kBurst, [](std::uint64_t) {});
    }
    setenv("TIFFANY_LTTNG", "0", 1);
    if (way == "burst") return bursts(name);
    if (way == "file") return file_of(name, number);
    if (way == "bytes") return same_bytes(name, number);
    if (way == "rate") return lost_at(name, number);
    fail("no such way");
}

// ---- the comparison ----

struct Result {
    double printed;
    double cpu_ns;  // of the whole process
};

Result run(const char* way, const std::string& name, std::uint64_t number) {
    const bench::Run seen = bench::run_self({"--way", way, name, std::to_string(number)});
    return {seen.numbers.front(), seen.cpu_ns};
}

bench::Results results;

void print_ratio(const char* what, const std::vector<double>& above, const std::vector<double>& below,
                 const char* flattered_by) {
    const std::vector<double> ratios = bench::ratios(above, below);
    results.add({what, above, below, flattered_by});
    std::printf("%s = %.2f (MAD %.2f, %d pairs; best to best %.2f), %.1f ns / %.1f ns; flattered by: %s\n", what,
                bench::median(ratios), bench::median_deviation(ratios), rounds, bench::best(above) / bench::best(below),
                bench::median(above), bench::median(below), flattered_by);
}

std::uint64_t size_of(const std::string& name) {
    struct stat found {};
    return stat(name.c_str(), &found) == 0 ? static_cast<std::uint64_t>(found.st_size) : 0;
}

/// Ends the program unless the log, whole, tells of so many records, and lost ones.
void need_records(const std::string& name, std::uint64_t wanted) {
    std::FILE* const file = std::fopen(name.c_str(), "re");
    if (file == nullptr) fail("no log");
    char end[256] = {};
    std::fseek(file, -static_cast<long>(sizeof end) + 1, SEEK_END);
    std::fread(end, 1, sizeof end - 1, file);
    std::fclose(file);
    unsigned long long records = 0;
    unsigned long long lost = 0;
    const char* const told = std::strstr(end, "\"event\":\"End\"");
    if (told == nullptr || std::sscanf(told, "\"event\":\"End\",\"records\":%llu,\"lost\":%llu", &records, &lost) != 2)
        fail("the log has no end");
    if (records + lost < wanted) fail("there are fewer records in the log than were fired");
}

int highest_lossless(const std::string& name) {
    int highest = 0;
    for (const int million : kRates) {
        const double lost = run("rate", name, static_cast<std::uint64_t>(million)).printed;
        unlink(name.c_str());
        unlink((name + ".1").c_str());
        if (lost != 0) break;
        highest = million;
    }
    return highest;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 5 && std::string_view{argv[1]} == "--way") {
        std::printf("%.4f\n", run_here(argv[2], argv[3], std::strtoull(argv[4], nullptr, 10)));
        return 0;
    }
    const std::string json = bench::take_json_file(argc, argv);
    if (const std::string given = bench::take_option(argc, argv, "--rounds"); !given.empty())
        rounds = std::max(1, std::atoi(given.c_str()));
    const bool recording = argc > 1 && std::string_view{argv[1]} == "--recording";
    if (argc > (recording ? 3 : 2) || (argc > 1 && !recording && argv[1][0] == '-')) {
        std::fprintf(
            stderr,
            "usage: pal_bench [--json FILE] [--rounds N] [--recording] [FOLDER]   (--recording: LTTng records it)\n");
        return 2;
    }
    const std::string folder = argc > (recording ? 2 : 1) ? argv[argc - 1] : ".";
    const std::string log = folder + "/pal_bench." + std::to_string(getpid()) + ".pal";
    const std::string plain = folder + "/pal_bench." + std::to_string(getpid()) + ".bytes";
    std::vector<double> clock;
    std::vector<double> ring;
    std::vector<double> recorded;
    std::vector<double> event;
    std::vector<double> event_zst;
    std::vector<double> bytes;
    std::vector<double> rates;
    for (int round = 0; round < rounds; ++round) {
        clock.push_back(run("clock", "", 0).printed);
        ring.push_back(run("burst", "/dev/null", 0).printed);
        if (recording) {
            recorded.push_back(run("recorded", "", 0).printed);
            continue;
        }
        const auto per_event = [](double cpu_ns, double idle_ns) {
            return (cpu_ns - idle_ns) / static_cast<double>(kEvents);
        };
        const double idle_ns = run("file", log, 0).cpu_ns;
        unlink(log.c_str());
        const Result written = run("file", log, kEvents);
        if (written.printed != 0) std::printf("(round %d: %.0f events of the log were lost)\n", round, written.printed);
        need_records(log, kEvents + 1);
        const std::uint64_t size = size_of(log);
        unlink(log.c_str());
        const double nothing_ns = run("bytes", plain, 0).cpu_ns;
        event.push_back(per_event(written.cpu_ns, idle_ns));
        bytes.push_back(per_event(run("bytes", plain, size).cpu_ns, nothing_ns));
        unlink(plain.c_str());
        event_zst.push_back(per_event(run("file", log + ".zst", kEvents).cpu_ns, idle_ns));
        unlink((log + ".zst").c_str());
        rates.push_back(highest_lossless(log));
    }
    print_ratio("Transition: the log's ring / a clock read", ring, clock, "one task, the burst fits into the ring");
    if (recording) {
        print_ratio("Transition: the log's ring / LTTng records", ring, recorded, "one writer, buffers never full");
        results.write(json);
        return 0;
    }
    print_ratio("Event: whole process with a log / a plain write of the same bytes", event, bytes,
                "one worker, short names");
    print_ratio("Event: whole process with a log / the same compressed", event, event_zst, "lines that are alike");
    std::printf(
        "Rate: lossless, one worker = %.0f million transitions a second (MAD %.0f, %d rounds; highest tried %d)\n",
        bench::median(rates), bench::median_deviation(rates), rounds, kRates[std::size(kRates) - 1]);
    results.write(json);
    return 0;
}
