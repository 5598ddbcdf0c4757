// What a tracer that comes late is told of the scheduler's tasks.

#include <sys/wait.h>
#include <unistd.h>

#include <tiffany/scheduler/event.hpp>
#include <tiffany/scheduler/scheduler_pool.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

Task<> sleep_for_ever() {
    co_await sleep_for(std::chrono::hours{24});
}
Task<> wait_for(Event& event) {
    co_await event.wait();
}
Task<> join_it(TaskHandle target) {
    co_await join(target);
}
Task<> keep_yielding(const bool& stop) {
    while (!stop)
        co_await yield();
}
Task<> yield_often() {
    for (int i = 0; i < 100; ++i)
        co_await yield();
}
Task<> nothing() {
    co_return;
}

struct Told {
    std::map<std::uint64_t, tiffany_dump_task> tasks;
    std::vector<std::uint64_t> ends;  // what each end tells
};
Told told() {
    Told found;
    for (const Fired& fired : recording().of(EventId::State)) {
        const auto task = fired.as<tiffany_dump_task>();
        found.tasks[task.tid] = task;
    }
    for (const Fired& fired : recording().of(EventId::WorkerDumped)) {
        const auto dump = fired.as<tiffany_dump_worker>();
        if (dump.phase == static_cast<std::uint8_t>(DumpPhase::end)) found.ends.push_back(dump.tasks);
    }
    return found;
}
bool is(const tiffany_dump_task& task, const char* name, TaskState state, WaitKind waited) {
    return std::string_view{task.name} == name && task.state == static_cast<std::uint8_t>(state) &&
           task.waited == static_cast<std::uint8_t>(waited);
}

class SchedulerDump : public Recorded {
  protected:
    SchedulerDump() { recording().set_enabled(false); }

    static void run_until_told(Scheduler& scheduler) {
        std::thread stopper{[&] {
            const auto deadline = std::chrono::steady_clock::now() + 60s;
            while (told().ends.empty() && std::chrono::steady_clock::now() < deadline)
                std::this_thread::sleep_for(1ms);
            scheduler.stop();
        }};
        scheduler.run();
        stopper.join();
    }
};

TEST_F(SchedulerDump, TellsOfEachTaskWhereItIs) {
    Scheduler scheduler{{.name = "dumped"}};
    Event event;
    const TaskHandle sleeper = scheduler.spawn({.name = "sleeper", .priority = 3}, sleep_for_ever());
    const TaskHandle waiter = scheduler.spawn({.name = "waiter"}, wait_for(event));
    const TaskHandle joiner = scheduler.spawn({.name = "joiner"}, join_it(sleeper));
    const TaskRef needs[] = {sleeper};
    const TaskHandle dependent = scheduler.spawn({.name = "dependent", .dependencies = needs}, nothing());
    const TaskHandle ended = scheduler.spawn({.name = "ended"}, nothing());
    scheduler.run_until_idle();
    start_session();
    bool stop = false;
    const TaskHandle busy = scheduler.spawn({.name = "busy"}, keep_yielding(stop));
    const TaskHandle stopper = scheduler.spawn({.name = "stopper"}, [](bool& flag) -> Task<> {
        while (told().ends.empty())
            co_await yield();
        flag = true;
    }(stop));
    scheduler.run_until_idle();
    const Told seen = told();
    ASSERT_EQ(seen.ends.size(), 1u);
    EXPECT_TRUE(is(seen.tasks.at(sleeper.tid()), "sleeper", TaskState::Sleeping, WaitKind::sleep));
    EXPECT_EQ(seen.tasks.at(sleeper.tid()).priority, 3u);
    EXPECT_TRUE(is(seen.tasks.at(waiter.tid()), "waiter", TaskState::Waiting, WaitKind::wait));
    EXPECT_TRUE(is(seen.tasks.at(joiner.tid()), "joiner", TaskState::Waiting, WaitKind::join));
    EXPECT_TRUE(is(seen.tasks.at(dependent.tid()), "dependent", TaskState::Waiting, WaitKind::dependency));
    EXPECT_FALSE(seen.tasks.contains(ended.tid())) << "only its handle is left";
    EXPECT_NE(seen.tasks.at(sleeper.tid()).age_ns, 0u);
}

TEST_F(SchedulerDump, GoesOnWhileTheSchedulerIsIdle) {
    Scheduler scheduler{{.name = "idle"}};
    constexpr std::uint64_t kTasks = 5'000;
    for (std::uint64_t i = 0; i < kTasks; ++i)
        scheduler.spawn({.name = "sleeper"}, sleep_for_ever());
    scheduler.run_until_idle();
    start_session();
    run_until_told(scheduler);
    EXPECT_EQ(told().ends, std::vector{kTasks});
    EXPECT_EQ(told().tasks.size(), kTasks);
}

TEST_F(SchedulerDump, FindsTasksInPlacesThatWereFreed) {
    Scheduler scheduler{{.name = "reused"}};
    std::vector<TaskHandle> kept;
    for (int round = 0; round < 3; ++round) {
        for (int i = 0; i < 600; ++i) {
            TaskHandle task = scheduler.spawn({.name = "sleeper"}, sleep_for_ever());
            if (i % 3 == 0)
                kept.push_back(task);
            else
                task.cancel();
        }
        scheduler.run_until_idle();
    }
    start_session();
    run_until_told(scheduler);
    const Told seen = told();
    EXPECT_EQ(seen.tasks.size(), kept.size());
    for (const TaskHandle& task : kept)
        EXPECT_TRUE(seen.tasks.contains(task.tid()));
}

TEST_F(SchedulerDump, AForkedChildTellsOfWhatItInheritedAndItsLogIsLegal) {
    Scheduler scheduler{{.name = "forked"}};
    Event event;
    const TaskHandle sleeper = scheduler.spawn({.name = "sleeper"}, sleep_for_ever());
    scheduler.spawn({.name = "waiter"}, wait_for(event));
    scheduler.spawn({.name = "joiner"}, join_it(sleeper));
    scheduler.spawn({.name = "ready"}, nothing());
    scheduler.run_until_idle();
    scheduler.spawn({.name = "ready"}, nothing());
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto watcher = std::make_shared<Watcher>();
        install_sink(watcher, {.flush_timeout = 60s});
        event.set();  // an event before any tick
        scheduler.spawn({.name = "the child's own"}, nothing());
        scheduler.run_until_idle();
        scheduler.close();
        if (!uninstall_sink()) _exit(1);
        const pal::LifecycleReport report = watcher->take().report;
        for (const std::string& finding : report.findings)
            std::fprintf(stderr, "%s\n", finding.c_str());
        if (!report.good()) _exit(2);
        if (report.unseen_start != 4 || report.dumped_start != 4 || report.tasks != 5) _exit(3);
        _exit(report.live() == 0 ? 0 : 4);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "exit " << WEXITSTATUS(status);
}

TEST_F(SchedulerDump, AForkedChildsGaugesCountWhatItInherited) {
    constexpr int kSleepers = 5'000;
    Scheduler scheduler{{.name = "forked"}};
    Event event;
    for (int i = 0; i < kSleepers; ++i)
        scheduler.spawn({.name = "sleeper"}, sleep_for_ever());
    scheduler.spawn({.name = "waiter"}, wait_for(event));
    scheduler.spawn({.name = "waiter"}, wait_for(event));
    scheduler.run_until_idle();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto states = [&](TaskState state) {
            return scheduler.telemetry().snapshot().states[static_cast<std::size_t>(state)];
        };
        scheduler.spawn({.name = "the child's own"}, yield_often());
        scheduler.run_until_idle();
        if (states(TaskState::Sleeping) != kSleepers || states(TaskState::Waiting) != 2) _exit(1);
        event.set();
        if (states(TaskState::Waiting) != 0 || states(TaskState::Ready) != 2) _exit(2);
        scheduler.run_until_idle();
        _exit(states(TaskState::Sleeping) == kSleepers && states(TaskState::Ready) == 0 ? 0 : 3);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "exit " << WEXITSTATUS(status);
}

TEST_F(SchedulerDump, OfAPoolThatSpawnsMeanwhileMissesNoTaskThatStays) {
    SchedulerPool pool{{.name = "pool"}, {.workers = 3}};
    std::vector<TaskHandle> stay;
    for (int i = 0; i < 3'000; ++i)
        stay.push_back(pool.spawn({.name = "stays"}, sleep_for_ever()));
    std::atomic<bool> stop{false};
    for (int i = 0; i < 3; ++i)
        pool.spawn({.name = "spawner"}, [](const std::atomic<bool>& end) -> Task<> {
            while (!end) {
                const TaskHandle child = co_await spawn({.name = "comes and goes"}, nothing());
                co_await join(child);
            }
        }(stop));
    start_session();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (told().ends.empty() && std::chrono::steady_clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
    stop = true;
    const Told seen = told();
    ASSERT_FALSE(seen.ends.empty());
    for (const TaskHandle& task : stay)
        EXPECT_TRUE(seen.tasks.contains(task.tid())) << task.tid();
    pool.close();
}

}  // namespace
}  // namespace tiffany::testing
