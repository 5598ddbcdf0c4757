#include "crowd.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <iostream>
#include <optional>
#include <string_view>
#include <system_error>
#include <tiffany/pal/output.hpp>
#include <tiffany/scheduler/event.hpp>
#include <vector>

#include "signals.hpp"

namespace tiffany::demo {
namespace {

using namespace std::chrono_literals;

/// What the tasks of one crowd share.
struct Place {
    SchedulerBase& scheduler;
    Event never;
    FileDescriptor silent;  // a pipe's end that nothing comes out of
    FileDescriptor other_end;
    TaskHandle target;  // ends with the crowd
};

Task<> sleep_a_day() {
    co_await sleep_for(24h);
}
Task<> sleep_until_called() {
    co_await sleep_until_woken();
}
Task<> wait_for_event(Event& event) {
    co_await event.wait();
}
Task<> wait_for_input(int fd) {
    co_await readable(fd);
}
Task<> wait_for_end(TaskHandle target) {
    co_await join(target);
}
Task<> never_begin() {
    co_return;
}
Task<> spend_budget(SchedulerBase& scheduler) {
    const std::uint64_t end = scheduler.now_ns() + 2'000;
    while (scheduler.now_ns() < end) {
    }
    co_await yield();
}
Task<> keep_busy() {
    for (;;) {
        for (int i = 0; i < 4; ++i)
            co_await yield();
        co_await sleep_for(1ms);
    }
}

/// What a task of a kind is spawned with, and where it comes to stand.
struct Kind {
    const char* name;
    const char* state;
    const char* waited;
    int step;
    std::uint8_t priority;
    bool in_group;
};
constexpr std::array<Kind, 7> kKinds{{{"sleeper", "Sleeping", "sleep", 3, 10, false},
                                      {"sleeps until woken", "Sleeping", "sleep", 3, 11, true},
                                      {"waits for an event", "Waiting", "wait", 3, 12, false},
                                      {"waits for input", "Waiting", "iowait", 3, 13, true},
                                      {"joins", "Waiting", "join", 3, 14, false},
                                      {"depends", "Waiting", "dependency", 1, 15, true},
                                      {"out of budget", "Throttled", "throttled", 3, 16, false}}};
constexpr int kSite = 1'000;  // of a kind: this and its place in the table

Task<> task_of(std::size_t kind, Place& place) {
    switch (kind) {
        case 0:
            return sleep_a_day();
        case 1:
            return sleep_until_called();
        case 2:
            return wait_for_event(place.never);
        case 3:
            return wait_for_input(place.silent.get());
        case 4:
            return wait_for_end(place.target);
        case 5:
            return never_begin();
        default:
            return spend_budget(place.scheduler);
    }
}

TaskHandle spawn_one(std::size_t kind, Place& place, std::uint16_t group) {
    SpawnOptions options{.name = kKinds[kind].name, .priority = kKinds[kind].priority};
    if (kKinds[kind].in_group) options.group = group;
    const TaskRef needs[] = {place.target};
    if (kind == 5) options.dependencies = needs;
    if (kind == 6) {
        options.budget = 1us;
        options.budget_period = 24h;
    }
    return place.scheduler.spawn(options, task_of(kind, place),
                                 Site{"crowd.cpp", static_cast<std::uint32_t>(kSite + static_cast<int>(kind))});
}

void write_account(const std::string& path, const std::vector<std::uint64_t>& tids) {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const std::string ts = std::to_string(std::chrono::nanoseconds{now}.count());
    pal::OutputFile file{path};
    std::string line;
    for (std::size_t i = 0; i < tids.size(); ++i) {
        const std::size_t number = i % kKinds.size();
        const Kind& kind = kKinds[number];
        line = "{\"tid\":" + std::to_string(tids[i]) + ",\"name\":\"" + kind.name +
               "\",\"site\":\"crowd.cpp:" + std::to_string(kSite + static_cast<int>(number)) +
               "\",\"priority\":" + std::to_string(kind.priority) + ",\"group\":\"" + (kind.in_group ? "batch" : "") +
               "\",\"state\":\"" + kind.state + "\",\"waited\":\"" + kind.waited +
               "\",\"step\":" + std::to_string(kind.step) + ",\"ts\":" + ts + "}\n";
        file.write(line);
    }
    file.commit();
}

Task<> stop_at_a_signal(int fd, SchedulerBase& scheduler) {
    co_await readable(fd);
    scheduler.stop();
}

}  // namespace

void run_crowd(Scheduler& scheduler, const CrowdOptions& options) {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0)
        throw std::system_error{errno, std::system_category(), "cannot make a pipe"};
    const FileDescriptor signals = open_signals();
    Place place{.scheduler = scheduler,
                .never = {},
                .silent = FileDescriptor{ends[0]},
                .other_end = FileDescriptor{ends[1]},
                .target = {}};
    const std::uint16_t group = scheduler.telemetry().group("batch");
    std::vector<std::uint64_t> tids;
    if (!options.account.empty()) tids.reserve(options.tasks);
    for (std::size_t i = 0; i < options.tasks; ++i) {
        const TaskHandle task = spawn_one(i % kKinds.size(), place, group);
        if (i == 0) place.target = task;
        if (!options.account.empty()) tids.push_back(task.tid());
    }
    scheduler.run_until_idle();
    if (!options.account.empty()) write_account(options.account, tids);
    scheduler.spawn({.name = "signals", .priority = 0}, stop_at_a_signal(signals.get(), scheduler));
    if (options.busy) scheduler.spawn({.name = "keeps busy", .priority = 0}, keep_busy());
    (options.account == "-" ? std::cerr : std::cout) << options.tasks << " tasks stand" << std::endl;
    scheduler.run();
    scheduler.cancel_all();
    scheduler.run();
    scheduler.close();
}

}  // namespace tiffany::demo
