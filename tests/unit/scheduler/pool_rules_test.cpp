// The rules that the other tests show on one thread, where several threads could break them.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <functional>
#include <latch>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class PoolRules : public Recorded {
  protected:
    void TearDown() override {
        pool.close();
        const MetricsSnapshot at_end = pool.telemetry().snapshot();
        for (const TaskState state :
             {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
            EXPECT_EQ(at_end.states[static_cast<std::size_t>(state)], 0u) << label(state);
        const auto& counts = at_end.transitions;
        EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), pool.telemetry().transitions());
        watched.expect_legal();
    }

    Watched watched;
    SchedulerPool pool{{.name = "pool", .max_live = 10}, {.workers = 3}};

    static void until(const std::function<bool()>& condition) {
        while (!condition())
            std::this_thread::yield();
    }
};

Task<> keep_thread(std::atomic<int>& here, std::atomic<bool>& go_on) {
    ++here;
    while (!go_on)
        std::this_thread::yield();
    co_return;
}

TEST_F(PoolRules, SpawnsThatNameNoWorkerGoRoundAllOfThem) {
    std::map<std::uint64_t, int> begun_at;
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 9; ++i)
        tasks.push_back(pool.spawn({.name = "stays", .pinned = true}, nothing()));
    pool.wait();
    for (const TaskHandle& task : tasks) {
        const std::lock_guard lock{recording().mutex};
        for (const Fired& fired : recording().events)
            if (fired.id == EventId::TaskRunning && fired.as<tiffany_task_running>().tid == task.tid())
                ++begun_at[fired.as<tiffany_task_running>().worker];
    }
    ASSERT_EQ(begun_at.size(), 3u);
    for (const auto& [worker, tasks_there] : begun_at)
        EXPECT_EQ(tasks_there, 3) << "worker " << worker;
}

TEST_F(PoolRules, GaugesTellWhereTheTasksAre) {
    Event event;
    std::atomic<int> here{0};
    std::atomic<bool> go_on{false};
    const TaskHandle waiter = pool.spawn({.name = "waits"}, wait_for(event));
    const TaskHandle sleeper = pool.spawn({.name = "sleeps"}, sleep(1h));
    until([&] { return waiter.state() == TaskState::Waiting && sleeper.state() == TaskState::Sleeping; });
    for (unsigned worker = 0; worker < 3; ++worker)
        pool.spawn({.name = "runs", .worker = worker, .pinned = true}, keep_thread(here, go_on));
    until([&] { return here == 3; });
    for (int i = 0; i < 4; ++i)
        pool.spawn({.name = "is ready"}, nothing());
    const MetricsSnapshot now = pool.telemetry().snapshot();
    const auto in = [&](TaskState state) { return now.states[static_cast<std::size_t>(state)]; };
    EXPECT_EQ(in(TaskState::Running), 3u);
    EXPECT_EQ(in(TaskState::Ready), 4u);
    EXPECT_EQ(in(TaskState::Waiting), 1u);
    EXPECT_EQ(in(TaskState::Sleeping), 1u);
    EXPECT_EQ(now.workers, 3u);
    EXPECT_GT(now.current_run_ns, 0u);
    go_on = true;
    sleeper.cancel();
    pool.post([&] { event.set(); });
    pool.wait();
}

TEST_F(PoolRules, EachTransitionOfAMovingTaskIsCountedOnce) {
    constexpr std::uint64_t kTasks = 9;
    constexpr std::uint64_t kYields = 300;
    auto yields = []() -> Task<> {
        for (std::uint64_t i = 0; i < kYields; ++i)
            co_await yield();
    };
    for (std::uint64_t i = 0; i < kTasks; ++i)
        pool.spawn({.worker = 0}, yields());  // the others have to take them
    pool.wait();
    const MetricsSnapshot now = pool.telemetry().snapshot();
    const auto count = [&](TaskEvent event) { return now.transitions[static_cast<std::size_t>(event)]; };
    const std::uint64_t gave_way =
        count(TaskEvent::Yield) + count(TaskEvent::Throttled);  // a slow machine: past the quantum
    EXPECT_EQ(count(TaskEvent::Spawned), kTasks);
    EXPECT_EQ(gave_way, kTasks * kYields);
    EXPECT_EQ(count(TaskEvent::Running), kTasks * (kYields + 1));
    EXPECT_EQ(count(TaskEvent::Done), kTasks);
    EXPECT_EQ(now.groups.at(0).run.count(), kTasks * (kYields + 1)) << "one run each";
    EXPECT_EQ(now.groups.at(0).ready.count(), kTasks * (kYields + 1)) << "and one ready delay";
}

TEST_F(PoolRules, TasksOnAllWorkersWaitForDescriptorsAndForTheirTimeOuts) {
    constexpr int kPairs = 3;
    int ends[kPairs][2];
    std::atomic<int> read_bytes{0};
    std::atomic<int> timed_out{0};
    auto reader = [&](int fd) -> Task<> {
        for (char byte = 0;;) {
            co_await readable(fd);
            const ssize_t got = ::read(fd, &byte, 1);
            if (got <= 0) break;
            ++read_bytes;
        }
    };
    auto impatient = [&](int fd) -> Task<> {
        const bool ready = co_await readable(fd, 1ms);
        if (!ready) ++timed_out;
    };
    int silent[2];
    ASSERT_EQ(pipe2(silent, O_CLOEXEC | O_NONBLOCK), 0);
    for (unsigned i = 0; i < kPairs; ++i) {
        ASSERT_EQ(pipe2(ends[i], O_CLOEXEC | O_NONBLOCK), 0);
        pool.spawn({.name = "reads", .worker = i}, reader(ends[i][0]));
    }
    for (unsigned i = 0; i < kPairs; ++i) {
        const TaskHandle task = pool.spawn({.name = "gives up", .worker = i}, impatient(silent[0]));
        until([&] { return task.ended(); });
    }
    for (int round = 0; round < 50; ++round)
        for (auto& pair : ends)
            EXPECT_EQ(::write(pair[1], "x", 1), 1);
    for (auto& pair : ends)
        ::close(pair[1]);
    pool.wait();
    EXPECT_EQ(read_bytes, 50 * kPairs);
    EXPECT_EQ(timed_out, kPairs);
    for (auto& pair : ends)
        ::close(pair[0]);
    ::close(silent[0]);
    ::close(silent[1]);
}

TEST_F(PoolRules, OfTasksThatJoinEachOtherOneIsToldOfTheCycleHoweverTheyMeet) {
    std::atomic<int> cycles{0};
    auto joins = [&](std::shared_ptr<TaskHandle> other) -> Task<> {
        try {
            co_await join(TaskRef{*other});
        } catch (const JoinCycle&) {
            ++cycles;
        }
    };
    constexpr int kRounds = 200;
    std::list<Event> events;  // a pool may be back from a wait before the function that set one has returned
    for (int round = 0; round < kRounds; ++round) {
        const auto first = std::make_shared<TaskHandle>();
        const auto second = std::make_shared<TaskHandle>();
        Event& begin = events.emplace_back();
        auto waits_first = [&](Task<> rest) -> Task<> {
            co_await begin.wait();
            co_await std::move(rest);
        };
        *first = pool.spawn({.worker = 0}, waits_first(joins(second)));
        *second = pool.spawn({.worker = 1}, waits_first(joins(first)));
        pool.post([&] { begin.set(); });
        pool.wait();
    }
    EXPECT_EQ(cycles, kRounds);
}

TEST_F(PoolRules, TheBoundHoldsAgainstManyThreads) {
    constexpr int kThreads = 4;
    constexpr int kTries = 100;
    Event open;
    std::atomic<int> spawned{0};
    std::atomic<int> refused{0};
    std::latch all_here{kThreads};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t)
            threads.emplace_back([&] {
                all_here.arrive_and_wait();
                for (int i = 0; i < kTries; ++i) {
                    try {
                        pool.spawn({}, wait_for(open));
                        ++spawned;
                    } catch (const SpawnRefused& error) {
                        if (error.reason() == SpawnRefused::Reason::too_many) ++refused;
                    }
                }
            });
    }
    EXPECT_EQ(spawned, 10);
    EXPECT_EQ(refused, kThreads * kTries - 10);
    EXPECT_EQ(pool.live(), 10u);
    pool.post([&] { open.set(); });
    pool.wait();
    EXPECT_NO_THROW(pool.spawn({}, nothing()));
    pool.wait();
}

TEST_F(PoolRules, ATaskCancelsAnotherByItsNumberOnce) {
    // on one worker: the victim stands still until all is asked
    const TaskHandle victim = pool.spawn({.worker = 0, .pinned = true}, sleep(1h));
    until([&] { return victim.state() == TaskState::Sleeping; });
    int yes = 0;
    auto cancels = [&]() -> Task<> {
        for (int i = 0; i < 3; ++i) {
            const bool asked = co_await cancel(victim.tid());
            yes += asked;
        }
        const bool nobody = co_await cancel(987'654'321);
        yes += nobody;
    };
    const TaskHandle canceller = pool.spawn({.worker = 0, .pinned = true}, cancels());
    pool.wait();
    EXPECT_EQ(yes, 1);
    EXPECT_EQ(story_of(victim).back(), by("Cancelled asked by", canceller) + " from Running");
}

TEST_F(PoolRules, ATaskCancelsOneOfAnotherWorkerByItsNumber) {
    const TaskHandle victim = pool.spawn({.worker = 0, .pinned = true}, sleep(1h));
    until([&] { return victim.state() == TaskState::Sleeping; });
    bool asked = false;
    const TaskHandle canceller = pool.spawn({.worker = 1, .pinned = true}, [](TaskHandle whom, bool& yes) -> Task<> {
        const bool answer = co_await cancel(whom.tid());
        yes = answer;
    }(victim, asked));
    pool.wait();
    EXPECT_TRUE(asked);
    EXPECT_EQ(story_of(victim).back(), by("Cancelled asked by", canceller) + " from Running");
}

TEST_F(RealTime, ATaskOfAPoolPastItsBudgetParksUntilThePeriodThatPaysForIt) {
    VirtualClock clock;
    SchedulerPool pool{{.name = "virtual", .quantum = 0ns, .clock = &clock}, {.workers = 2}};
    auto burn = [](VirtualClock& time) -> Task<> {
        for (int i = 0; i < 3; ++i) {
            time.advance(20'000'000);
            co_await yield();
        }
    };
    const TaskHandle task = pool.spawn({.budget = 20ms, .budget_period = 100ms}, burn(clock));
    pool.wait();
    // 20 of 20 ms are paid at once; then 20 more are owed until 100 ms, and after them until 200 ms
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Throttled 60000000", "Ready quota",
                            "Running", "Throttled 80000000", "Ready quota", "Running", "Done"));
}

TEST_F(RealTime, SchedulersOnThreadsOfTheirOwnWakeEachOthersTasks) {
    constexpr int kSchedulers = 3;
    constexpr int kRounds = 300;
    std::array<std::unique_ptr<Scheduler>, kSchedulers> schedulers;
    std::array<TaskHandle, kSchedulers> tasks;
    std::array<int, kSchedulers> turns{};
    const std::array<const char*, kSchedulers> names{"one", "two", "three"};
    for (std::size_t i = 0; i < kSchedulers; ++i)
        schedulers[i] = std::make_unique<Scheduler>(SchedulerOptions{.name = names[i]});
    // a token goes round: each passes it on to the next scheduler's task
    auto pass = [&](std::size_t self) -> Task<> {
        for (int round = 0; round < kRounds; ++round) {
            co_await sleep_until_woken();
            ++turns[self];
            tasks[(self + 1) % kSchedulers].wake();
        }
    };
    for (std::size_t i = 0; i < kSchedulers; ++i)
        tasks[i] = schedulers[i]->spawn({.name = "passes"}, pass(i));
    tasks[0].wake();
    {
        std::vector<std::jthread> threads;
        for (auto& scheduler : schedulers)
            threads.emplace_back([&scheduler] { scheduler->run(); });
    }
    for (std::size_t i = 0; i < kSchedulers; ++i) {
        EXPECT_EQ(turns[i], kRounds);
        EXPECT_EQ(schedulers[i]->live(), 0u);
        EXPECT_EQ(schedulers[i]->telemetry().count(TaskEvent::Done), 1u) << "each counts its own";
    }
    for (auto& task : tasks)
        task = {};
}

}  // namespace
}  // namespace tiffany::testing
