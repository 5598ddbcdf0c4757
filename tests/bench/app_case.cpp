// One program under load, to its end: what app_bench.py measures from outside. Built with hooks, and once more without.
//
//     app_case [--metrics] demo SECONDS                    tiffany-demo's work: its server, its clients, and the rest
//     app_case [--metrics] echo CONNECTIONS REQUESTS       the echo server on Boost.Asio; so many requests of each
//     connection
//
// Does a little of it first, so that what a process's start takes is not in what it measures. Prints how many requests
// were answered after that, the CPU time of the whole process meanwhile, without that of the load, ns, and how many
// transitions were fired meanwhile (0 without hooks); then the requests and the transitions in all. Ends with status 3
// if something is missing.

#include <pthread.h>
#include <sys/resource.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string_view>
#include <tiffany/scheduler/scheduler.hpp>

#include "scheduler_cases.hpp"
#include "signals.hpp"
#include "workload.hpp"
#ifdef BENCH_HAS_ASIO
#include "echo_case.hpp"
#endif

namespace {

struct Told {
    std::uint64_t requests = 0;
    double cpu_ns = 0;
    std::uint64_t transitions = 0;
};

[[noreturn]] void fail(const char* why, int status = 3) {
    std::fprintf(stderr, "app_case: %s\n", why);
    std::exit(status);
}

Told run_demo(double seconds, bool metrics) {
    tiffany::Scheduler scheduler{{.name = "demo", .quantum = std::chrono::milliseconds{1}, .metrics = metrics}};
    tiffany::demo::WorkloadOptions options;
    options.seconds = seconds;
    const std::uint64_t before = bench::cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    const tiffany::demo::Outcome outcome = tiffany::demo::run_workload(scheduler, options);
    const std::uint64_t after = bench::cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (!outcome.error.empty()) fail(outcome.error.c_str());
    return {outcome.requests, static_cast<double>(after - before), scheduler.telemetry().transitions()};
}

#ifdef BENCH_HAS_ASIO
Told run_echo(int connections, int requests, bool metrics) {
    const std::uint64_t before = bench::cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    const bench::EchoSpent spent = tiffany_echo_case({connections, requests, metrics, false});
    const std::uint64_t after = bench::cpu_ns(CLOCK_PROCESS_CPUTIME_ID);
    if (spent.server_ns < 0) fail("not all requests were answered");
    return {static_cast<std::uint64_t>(connections) * static_cast<std::uint64_t>(requests),
            static_cast<double>(after - before) - spent.clients_ns, spent.transitions};
}
#endif

void tell(Told told, const Told& first) {
    std::printf("%llu %.0f %llu %llu %llu\n", static_cast<unsigned long long>(told.requests), told.cpu_ns,
                static_cast<unsigned long long>(told.transitions),
                static_cast<unsigned long long>(told.requests + first.requests),
                static_cast<unsigned long long>(told.transitions + first.transitions));
}

/// Signals that end the demo are read by a task of it; a connection has two descriptors.
void prepare() {
    const sigset_t signals = tiffany::demo::end_signals();
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    rlimit files{};
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

int main(int argc, char** argv) try {
    const bool metrics = argc > 1 && std::string_view{argv[1]} == "--metrics";
    char** const rest = argv + (metrics ? 2 : 1);
    const int count = argc - (metrics ? 2 : 1);
    const std::string_view app{count > 0 ? rest[0] : ""};
    prepare();
    if (app == "demo" && count == 2) {
        const double seconds = std::atof(rest[1]);
        const Told first = run_demo(seconds / 5, metrics);
        tell(run_demo(seconds, metrics), first);
    }
#ifdef BENCH_HAS_ASIO
    else if (app == "echo" && count == 3) {
        const int connections = std::atoi(rest[1]), requests = std::atoi(rest[2]);
        const Told first = run_echo(connections, requests / 5, metrics);
        tell(run_echo(connections, requests, metrics), first);
    }
#endif
    else {
        fail("usage: app_case [--metrics] demo SECONDS | echo CONNECTIONS REQUESTS", 2);
    }
    return 0;
} catch (const std::exception& error) {
    fail(error.what());
}
