#include "workload.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "echo.hpp"
#include "file_descriptor.hpp"
#include "other_thread.hpp"
#include "scenarios.hpp"
#include "signals.hpp"

namespace tiffany::demo {
namespace {

using namespace std::chrono_literals;

/// How often the long-lived tasks act: the demo's rate is this times `tasks`.
constexpr auto kPause = 1ms;
/// How long what is left may take to end when the work is done, and then once it was asked to.
constexpr auto kGrace = 20ms;
/// How often the scenarios are played.
constexpr auto kRound = 20ms;

/// What the tasks of one run share.
struct Work {
    const WorkloadOptions& options;
    Groups groups;
    Listener listener;
    FileDescriptor signals;
    Outcome outcome;
    bool stop = false;  // the long-lived tasks look at it
    Event stop_event;   // the conductor waits for it
};

/// Each client has two descriptors, its own and its session's.
void allow_many_descriptors() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

Task<> wait_for_signal(Work& work) {
    co_await readable(work.signals.get());
    work.outcome.interrupted = true;
    work.stop_event.set();
}

/// A timer, and a little computing in small pieces.
Task<> ticker(const bool& stop) {
    while (!stop) {
        for (int i = 0; i < 4; ++i)
            co_await yield();
        co_await sleep_for(kPause);
    }
}

Task<> look_up() {
    co_await sleep_for(100us);
}

/// Hands each piece of its work to a task of its own.
Task<> delegator(const bool& stop) {
    SchedulerBase& scheduler = co_await this_scheduler();
    while (!stop) {
        const TaskHandle child = scheduler.spawn({.name = "look-up"}, look_up());
        co_await join(child);
        co_await sleep_for(kPause);
    }
}

/// Some tasks outlive the work: this one ends when it is asked to,
Task<> keep_until_asked() {
    co_await sleep_for(24h);
}

/// and what a request to end does not move ends with the scheduler.
Task<> keep_sleeping() {
    try {
        co_await sleep_for(24h);
    } catch (const TaskCancelled&) {
    }
    co_await sleep_for(24h);
}

Task<> keep_waiting(Event& never) {
    try {
        co_await never.wait();
    } catch (const TaskCancelled&) {
    }
    co_await never.wait();
}

Task<> keep_until_woken() {
    try {
        co_await sleep_until_woken();
    } catch (const TaskCancelled&) {
    }
    co_await sleep_until_woken();
}

/// Does not give way, so that nothing else runs.
Task<> stall(std::chrono::milliseconds time) {
    const SchedulerBase& scheduler = co_await this_scheduler();
    const std::uint64_t end = scheduler.now_ns() + static_cast<std::uint64_t>(std::chrono::nanoseconds{time}.count());
    while (scheduler.now_ns() < end) {
    }
}

std::vector<TaskHandle> start_long_lived(SchedulerBase& scheduler, Work& work) {
    const int clients = std::max(1, work.options.tasks / 2);
    const int tickers = std::max(1, work.options.tasks / 4);
    const int delegators = std::max(1, work.options.tasks - clients - tickers);
    std::vector<TaskHandle> started;
    started.reserve(static_cast<std::size_t>(std::max(3, work.options.tasks)));
    for (int i = 0; i < clients; ++i)
        started.push_back(scheduler.spawn({.name = "echo client", .group = work.groups.network},
                                          chat(work.listener.port, i, kPause, work.stop, work.outcome.requests)));
    for (int i = 0; i < tickers; ++i)
        started.push_back(
            scheduler.spawn({.name = "ticker", .priority = 20, .group = work.groups.batch}, ticker(work.stop)));
    for (int i = 0; i < delegators; ++i)
        started.push_back(scheduler.spawn({.name = "delegator"}, delegator(work.stop)));
    return started;
}

bool finished(const SchedulerBase& scheduler, std::uint64_t transitions, const WorkloadOptions& options,
              std::uint64_t deadline_ns) {
    if (options.transitions != 0 && transitions >= options.transitions) return true;
    return deadline_ns != 0 && scheduler.now_ns() >= deadline_ns;
}

/// Starts everything, plays the scenarios, decides when it is enough, and waits for the end of all it started.
Task<> conduct(Work& work, OtherThread& other) {
    SchedulerBase& scheduler = co_await this_scheduler();
    const auto seconds = static_cast<std::uint64_t>(work.options.seconds * 1e9);
    const std::uint64_t deadline_ns = seconds == 0 ? 0 : scheduler.now_ns() + seconds;
    const TaskHandle signals = scheduler.spawn({.name = "signals", .priority = 0}, wait_for_signal(work));
    const TaskHandle server = scheduler.spawn({.name = "echo server", .priority = 5, .group = work.groups.network},
                                              serve(work.listener, work.groups.network));
    const std::vector<TaskHandle> started = start_long_lived(scheduler, work);
    do {
        co_await every_scenario(work.groups, other);
        co_await work.stop_event.wait(kRound);
        if (server.ended()) throw std::runtime_error{"the server ended: " + server.error()};
    } while (!work.stop_event.is_set() &&
             !finished(scheduler, scheduler.telemetry().transitions(), work.options, deadline_ns));
    work.stop = true;
    for (const TaskHandle& task : started)
        co_await join(task);
    server.cancel();
    signals.cancel();
}

}  // namespace

Outcome run_workload(Scheduler& scheduler, const WorkloadOptions& options) {
    allow_many_descriptors();
    Event never;
    Work work{.options = options,
              .groups = {scheduler.telemetry().group("network"), scheduler.telemetry().group("batch")},
              .listener = listen_on_loopback(),
              .signals = open_signals(),
              .outcome = {},
              .stop_event = {}};
    OtherThread other{scheduler};
    const TaskHandle conductor = scheduler.spawn({.name = "conductor", .priority = 1}, conduct(work, other));
    const auto stop_after = [](TaskHandle last) -> Task<> {
        SchedulerBase& here = co_await this_scheduler();
        try {
            co_await join(last);
        } catch (const JoinError&) {
            // its handle tells
        }
        here.stop();
    };
    scheduler.spawn({.name = "stop"}, stop_after(conductor));
    if (options.stall_ms != 0) scheduler.spawn({.name = "stall"}, stall(std::chrono::milliseconds{options.stall_ms}));
    scheduler.spawn({.name = "ends when asked"}, keep_until_asked());
    scheduler.spawn({.name = "sleeps to the end"}, keep_sleeping());
    scheduler.spawn({.name = "waits to the end"}, keep_waiting(never));
    const TaskHandle late = scheduler.spawn({.name = "is woken too late"}, keep_until_woken());
    scheduler.run();
    work.stop = true;

    scheduler.shutdown(kGrace);
    other.end();
    late.wake();
    scheduler.close();
    work.outcome.error = conductor.error();
    return work.outcome;
}

}  // namespace tiffany::demo
