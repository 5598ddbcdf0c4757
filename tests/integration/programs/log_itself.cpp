// Does what a test of the process's own log asks for, and tells how much it did.
//
//     log_itself ACTION COUNT      COUNT lives of three transitions, then:
//       return     main returns           exit       exit() while another thread goes on
//       abort      abort()                _exit      _exit(0)
//       wait       goes on, a life each 100 us, until it is killed; tells how many every 50 ms
//       fork       a forked child does the same COUNT, then the parent once more
//       inherit    a forked child goes on with the parent's scheduler
//       sink       with a pal::Sink of its own beside it
//       configure  the same with tiffany::configure, and late, which is an error
//       steps      one task that lives on until stdin ends: a few transitions now and then, COUNT for each line there
//       burst      a worker of a second thread too, as fast as it goes; waits for a line on stdin before and after
// Prints a JSON document: what it fired, what its sink saw, what pal_status() says (before the end of the process).

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>

namespace {

using namespace std::chrono_literals;

struct Counting : tiffany::pal::Sink {
    void record(const tiffany::pal::Record& record) override {
        if (record.is_transition()) ++transitions;
    }
    void gap(const tiffany::pal::Gap& gap) override { lost += gap.lost; }
    std::atomic<std::uint64_t> transitions{0};
    std::atomic<std::uint64_t> lost{0};
};

void live(tiffany::Worker& worker) {
    tiffany::TaskTimes task;
    worker.spawned(task, {.name = "life"});
    worker.running(task);
    worker.done(task);
}

void live(tiffany::SchedulerTelemetry& telemetry, std::uint64_t count) {
    const tiffany::WorkerLease worker = telemetry.worker();
    for (std::uint64_t i = 0; i < count; ++i)
        live(*worker);
    worker->park();
    worker->unpark();
}

void report(std::uint64_t fired, const Counting* sink) {
    const tiffany::PalStatus log = tiffany::pal_status();
    std::printf(
        "{\"fired\":%llu,\"sink\":%llu,\"active\":%s,\"problem\":\"%s\",\"error\":%d,\"where\":\"%s\",\"transitions\":%"
        "llu,"
        "\"lost\":%llu,\"readers\":%llu,\"readers_lost\":%llu,\"readers_refused\":%llu,\"files\":%llu}\n",
        static_cast<unsigned long long>(fired),
        static_cast<unsigned long long>(sink != nullptr ? sink->transitions + sink->lost : 0),
        log.active ? "true" : "false", std::string{label(log.problem)}.c_str(), log.error, log.where.c_str(),
        static_cast<unsigned long long>(log.transitions), static_cast<unsigned long long>(log.lost),
        static_cast<unsigned long long>(log.readers), static_cast<unsigned long long>(log.readers_lost),
        static_cast<unsigned long long>(log.readers_refused), static_cast<unsigned long long>(log.files));
    std::fflush(stdout);
}

/// On a machine that is busy one second may be too short.
bool flush() {
    for (int second = 0; second < 60; ++second)
        if (tiffany::flush_pal()) return true;
    return false;
}

[[noreturn]] void wait_to_be_killed(tiffany::SchedulerTelemetry& telemetry) {
    const tiffany::WorkerLease worker = telemetry.worker();
    for (auto told = std::chrono::steady_clock::now();;) {
        live(*worker);
        std::this_thread::sleep_for(100us);
        if (std::chrono::steady_clock::now() - told < 50ms) continue;
        told = std::chrono::steady_clock::now();
        std::printf("%llu\n", static_cast<unsigned long long>(telemetry.transitions()));
        std::fflush(stdout);
    }
}

void wait_for_line() {
    std::string line;
    std::getline(std::cin, line);
}

void step(tiffany::Worker& worker, tiffany::TaskTimes& task, std::uint64_t count) {
    for (std::uint64_t i = 0; i < count; i += 2) {
        worker.running(task);
        worker.yield(task);
    }
}

void live_on(tiffany::SchedulerTelemetry& telemetry, std::uint64_t count) {
    const tiffany::WorkerLease worker = telemetry.worker();
    tiffany::TaskTimes task;
    worker->spawned(task, {.name = "long", .group = telemetry.group("readers")});
    std::atomic<std::uint64_t> lines{0};
    std::atomic<bool> over{false};
    std::thread commands{[&] {
        for (std::string line; std::getline(std::cin, line);)
            ++lines;
        over = true;
    }};
    for (std::uint64_t done = 0; !over || done != lines;) {
        if (done != lines) {
            step(*worker, task, count);
            ++done;
        }
        step(*worker, task, 2);
        worker->park();
        std::this_thread::sleep_for(50ms);
        worker->unpark();
    }
    commands.join();
    worker->running(task);
    worker->done(task);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const std::string_view action = argv[1];
    const std::uint64_t count = std::strtoull(argv[2], nullptr, 10);
    if (action == "configure") {
        tiffany::configure({.pal = "first.pal"});
        tiffany::configure({.pal = "configured.pal", .environment = false});  // the last word counts
    }
    const auto sink = action == "sink" ? std::make_shared<Counting>() : nullptr;
    if (sink != nullptr) tiffany::install_sink(sink);
    auto& telemetry = *new tiffany::SchedulerTelemetry{"itself"};
    if (action == "burst") {
        wait_for_line();
        std::thread other{[&] { live(telemetry, count); }};
        live(telemetry, count);
        other.join();
        if (!flush()) return 3;
        report(telemetry.transitions(), nullptr);
        wait_for_line();
        return 0;
    }
    if (action == "steps")
        live_on(telemetry, count);
    else
        live(telemetry, count);
    if (action == "configure") {
        try {
            tiffany::configure({.pal = "late.pal"});
            return 4;
        } catch (const std::logic_error&) {
        }
    }
    if (action == "wait") wait_to_be_killed(telemetry);
    if (action == "fork" || action == "inherit") {
        flush();
        const pid_t child = fork();
        if (child == 0) {
            if (action == "inherit") {
                live(telemetry, count);
            } else {
                tiffany::SchedulerTelemetry own{"child"};
                live(own, count);
            }
            std::exit(0);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (status != 0) return 5;
        live(telemetry, count);
        std::printf("%d\n", static_cast<int>(child));
    }
    if (action == "exit") {
        std::thread{[&] {
            for (;;)
                live(telemetry, 100);
        }}.detach();
        std::this_thread::sleep_for(20ms);
    }
    if (sink != nullptr) tiffany::flush_sink();
    if (!flush() && action != "exit") return 3;
    report(telemetry.transitions(), sink.get());
    if (action == "abort") std::abort();
    if (action == "_exit") _exit(0);
    std::exit(0);  // the scheduler is never destroyed: the log's end does not need it
}
