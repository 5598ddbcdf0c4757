// Bounds, ageing, the end in good order, virtual time.

#include <functional>
#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>

#include "../../../src/tiffany/scheduler/ready_queue.hpp"
#include "story.hpp"

namespace tiffany::testing {
namespace {

class Limits : public Scheduled {};

Task<> yield_times(int times, std::vector<std::string>& order, std::string name) {
    for (int i = 0; i < times; ++i) {
        order.push_back(name);
        co_await yield();
    }
}

// ---- ageing ----

TEST_F(Limits, ATaskThatAlwaysYieldsDoesNotStarveALessUrgentOne) {
    bool ran = false;
    auto busy = [](const bool& stop) -> Task<> {
        while (!stop)
            co_await yield();
    };
    auto modest = [](bool& flag) -> Task<> {
        flag = true;
        co_return;
    };
    const TaskHandle urgent = scheduler.spawn({.priority = 0}, busy(ran));
    scheduler.spawn({.priority = 255}, modest(ran));
    scheduler.run();
    EXPECT_TRUE(ran);
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Yield), 31u);  // each 32nd choice is a turn
    EXPECT_TRUE(urgent.ended());
}

TEST_F(Limits, EachPriorityThatHasTasksGetsItsTurn) {
    std::vector<std::string> order;
    scheduler.spawn({.priority = 0}, yield_times(32 * 4, order, "0"));
    scheduler.spawn({.priority = 7}, yield_times(1, order, "7"));
    scheduler.spawn({.priority = 200}, yield_times(1, order, "200"));
    scheduler.run();
    const auto at = [&](const char* name) { return std::find(order.begin(), order.end(), name) - order.begin(); };
    EXPECT_LE(at("7"), 3 * 32);
    EXPECT_LE(at("200"), 3 * 32);
}

TEST(ReadyQueueTest, TurnsGoRoundAllPrioritiesAlsoOneThatIsTheMostUrgentNowAndThen) {
    // priority 0 is away whenever a turn comes; the turns must not all go to 20
    SchedulerTelemetry telemetry{"queue"};
    const WorkerLease worker = telemetry.worker();
    detail::TaskCore urgent;
    detail::TaskCore usual;
    detail::TaskCore modest;
    worker->spawned(urgent.life, {.priority = 0});
    worker->spawned(usual.life, {.priority = 10});
    worker->spawned(modest.life, {.priority = 20});
    detail::ReadyQueue queue;
    queue.push(usual);
    queue.push(modest);
    int usual_runs = 0;
    for (unsigned choice = 1; choice <= 10 * detail::ReadyQueue::kChoicesPerTurn; ++choice) {
        const bool away = choice % detail::ReadyQueue::kChoicesPerTurn == 0;
        if (!away) queue.push(urgent);
        detail::TaskCore* const next = queue.pop();
        ASSERT_EQ(next == &urgent, !away);
        usual_runs += next == &usual;
        if (next != &urgent) queue.push(*next);
    }
    EXPECT_EQ(usual_runs, 5);
}

// ---- max_live ----

TEST_F(Limits, ASpawnPastTheBoundIsRefusedAndNothingIsHalfMade) {
    Scheduler small{{.name = "small", .clock = &clock, .max_live = 2}};
    bool destroyed = false;
    struct Guard {
        bool& flag;
        explicit Guard(bool& f) : flag{f} {}
        Guard(Guard&& other) noexcept : flag{other.flag}, own{std::exchange(other.own, false)} {}
        ~Guard() {
            if (own) flag = true;
        }
        bool own = true;
    };
    auto task = [](Guard) -> Task<> { co_return; };
    small.spawn({}, sleep(1h));
    const TaskHandle last = small.spawn({}, sleep(1h));
    const std::uint64_t before = small.telemetry().transitions();
    try {
        small.spawn({}, task(Guard{destroyed}));
        FAIL() << "it was not refused";
    } catch (const SpawnRefused& refused) {
        EXPECT_EQ(refused.reason(), SpawnRefused::Reason::too_many);
        EXPECT_STREQ(refused.what(), "cannot spawn a task: scheduler small has 2 live tasks, its bound (max_live)");
    }
    EXPECT_TRUE(destroyed);
    EXPECT_EQ(small.telemetry().transitions(), before);
    EXPECT_EQ(small.live(), 2u);
    std::thread{[&] { EXPECT_THROW(small.spawn({}, nothing()), SpawnRefused); }}.join();
    last.cancel();
    small.run_until_idle();
    small.spawn({}, nothing());  // there is room again
    EXPECT_EQ(small.live(), 2u);
}

TEST_F(Limits, AWrongDependencyLeavesNoTrace) {
    const TaskRef unknown[] = {std::uint64_t{12'345'678}};
    EXPECT_THROW(scheduler.spawn({.dependencies = unknown}, nothing()), std::invalid_argument);
    EXPECT_EQ(scheduler.live(), 0u);
    EXPECT_EQ(scheduler.telemetry().transitions(), 0u);
}

// ---- shutdown ----

TEST_F(Limits, AShutdownThatFindsAllDoneInTimeIsClean) {
    const TaskHandle task = scheduler.spawn({}, sleep(10ms));
    EXPECT_TRUE(scheduler.shutdown(20ms));
    EXPECT_EQ(task.state(), TaskState::Finished);
    try {
        scheduler.spawn({}, nothing());
        FAIL() << "it was not refused";
    } catch (const SpawnRefused& refused) {
        EXPECT_EQ(refused.reason(), SpawnRefused::Reason::shutting_down);
        EXPECT_STREQ(refused.what(), "cannot spawn a task: scheduler test shuts down");
    }
}

TEST_F(Limits, AShutdownCancelsWhatIsLeftWhenTheTimeIsOver) {
    const TaskHandle task = scheduler.spawn({}, sleep(1h));
    const std::uint64_t begin = scheduler.now_ns();
    EXPECT_FALSE(scheduler.shutdown(20ms));
    EXPECT_EQ(scheduler.now_ns() - begin, 20'000'000u);
    EXPECT_EQ(story_of(task).back(), "Cancelled shutdown from Running");
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Limits, WhatResistsAShutdownIsLeftToTheClose) {
    auto stubborn = []() -> Task<> {
        for (;;) {
            try {
                co_await sleep_for(1h);
            } catch (const TaskCancelled&) {
            }
        }
    };
    const TaskHandle task = scheduler.spawn({}, stubborn());
    EXPECT_FALSE(scheduler.shutdown(20ms));
    EXPECT_EQ(task.state(), TaskState::Sleeping);
    scheduler.close();
    EXPECT_EQ(story_of(task).back(), "Cancelled destroyed from Sleeping");
}

// ---- virtual time ----

TEST_F(Limits, AnHourOfSleepingIsOverAtOnceAndExactlyAnHourLong) {
    auto hour = []() -> Task<> {
        for (int minute = 0; minute < 60; ++minute)
            co_await sleep_for(1min);
    };
    const std::uint64_t begin = scheduler.now_ns();
    scheduler.spawn({}, hour());
    scheduler.run();
    EXPECT_EQ(scheduler.now_ns() - begin, 3'600'000'000'000u);
    EXPECT_EQ(recording().last<tiffany_task_ready>(EventId::TaskReady).late_ns, 0u);
}

TEST_F(Limits, ARunOnVirtualTimeReturnsWhenNoTimeCouldWakeATask) {
    Event never;
    scheduler.spawn({}, wait_for(never));
    scheduler.run();
    EXPECT_EQ(scheduler.live(), 1u);
}

TEST_F(Limits, SleepersWakeInTheOrderOfTheirDeadlinesOnVirtualTime) {
    std::vector<int> order;
    auto sleeper = [](int ms, std::vector<int>& list) -> Task<> {
        co_await sleep_for(std::chrono::milliseconds{ms});
        list.push_back(ms);
    };
    for (const int ms : {30, 10, 20, 10'000, 1})
        scheduler.spawn({}, sleeper(ms, order));
    scheduler.run();
    EXPECT_THAT(order, ElementsAre(1, 10, 20, 30, 10'000));
}

// ---- the quantum of a task ----

TEST_F(Limits, ATaskMayHaveAQuantumOfItsOwn) {
    auto burn = [](VirtualClock& time) -> Task<> {
        time.advance(2'000'000);
        co_await yield();
    };
    const TaskHandle strict = scheduler.spawn({.quantum = 1ms}, burn(clock));
    const TaskHandle usual = scheduler.spawn({}, burn(clock));
    const TaskHandle free = scheduler.spawn({.quantum = 0ns}, burn(clock));
    scheduler.run();
    EXPECT_EQ(story_of(strict).at(2), "Throttled 0");
    EXPECT_EQ(story_of(usual).at(2), "Yield");
    EXPECT_EQ(story_of(free).at(2), "Yield");
}

// ---- the time in the inbox ----

/// What another thread asks of a scheduler whose thread is kept busy for 50 ms from that moment on.
class Inbox : public RealTime {
  protected:
    void ask_while_it_is_busy(const std::function<void()>& ask) {
        std::atomic<bool> runs{false};
        std::atomic<bool> asked{false};
        auto block = [](std::atomic<bool>& here, std::atomic<bool>& there) -> Task<> {
            here = true;
            while (!there)
                std::this_thread::yield();
            std::this_thread::sleep_for(50ms);
            co_return;
        };
        scheduler.run_until_idle();
        scheduler.spawn({.name = "blocks", .priority = 0}, block(runs, asked));
        std::thread other{[&] {
            while (!runs)
                std::this_thread::yield();
            ask();
            asked = true;
        }};
        scheduler.run();
        other.join();
        scheduler.run();
    }

    /// How long that task was ready before its last run.
    static std::uint64_t last_ready_ns(const TaskHandle& task) {
        std::uint64_t ready_ns = 0;
        const std::lock_guard lock{recording().mutex};
        for (const Fired& fired : recording().events)
            if (fired.id == EventId::TaskRunning && fired.as<tiffany_task_running>().tid == task.tid())
                ready_ns = fired.as<tiffany_task_running>().ready_ns;
        return ready_ns;
    }

    Scheduler scheduler{{.name = "real"}};
    TaskHandle task;
};

TEST_F(Inbox, TheTimeOfASpawnIsAPartOfTheReadyDelay) {
    ask_while_it_is_busy([&] { task = scheduler.spawn({.name = "late"}, nothing()); });
    EXPECT_GE(last_ready_ns(task), 40'000'000u);
    task = {};
    scheduler.close();
}

TEST_F(Inbox, TheTimeOfAWakeIsAPartOfTheReadyDelay) {
    auto sleeper = []() -> Task<> { co_await sleep_until_woken(); };
    task = scheduler.spawn({.name = "sleeps"}, sleeper());
    ask_while_it_is_busy([&] { task.wake(); });
    EXPECT_GE(last_ready_ns(task), 40'000'000u);
    scheduler.close();
}

TEST_F(Inbox, TheTimeOfAPostIsAPartOfTheReadyDelayOfWhatItWakesAndSpawns) {
    Event event;
    task = scheduler.spawn({.name = "waits"}, wait_for(event));
    TaskHandle spawned;
    ask_while_it_is_busy([&] {
        scheduler.post([&] {
            event.set();
            spawned = scheduler.spawn({.name = "late"}, nothing());
        });
    });
    EXPECT_GE(last_ready_ns(task), 40'000'000u);
    EXPECT_GE(last_ready_ns(spawned), 40'000'000u);
    scheduler.close();
}

TEST_F(Inbox, TheTimeOfACancelIsAPartOfTheReadyDelay) {
    task = scheduler.spawn({.name = "sleeps"}, sleep(1h));
    ask_while_it_is_busy([&] { task.cancel(); });
    EXPECT_EQ(task.state(), TaskState::Cancelled);
    EXPECT_GE(last_ready_ns(task), 40'000'000u);
    scheduler.close();
}

TEST_F(Inbox, ATaskThatBeganToWaitAfterThePostIsReadyFromThenOn) {
    Event event;
    auto waits_after = [](Scheduler& here, Event& what) -> Task<> {
        std::jthread{[&] { here.post([&] { what.set(); }); }}.join();
        std::this_thread::sleep_for(20ms);
        co_await what.wait();
    };
    task = scheduler.spawn({.name = "waits"}, waits_after(scheduler, event));
    scheduler.run();
    const auto run = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_GE(run.wait_ns, run.ready_ns);
    scheduler.close();
}

TEST_F(RealTime, CloseDestroysTheNewestTaskFirstWhoeverSpawnedIt) {
    struct Says {
        std::vector<int>* order;
        int number;
        Says(std::vector<int>& list, int which) : order{&list}, number{which} {}
        Says(const Says&) = delete;
        Says& operator=(const Says&) = delete;
        ~Says() { order->push_back(number); }
    };
    std::vector<int> order;
    auto child = [](std::vector<int>& list) -> Task<> {
        const Says says{list, 2};
        co_await sleep_for(1h);
    };
    auto parent = [&](std::vector<int>& list) -> Task<> {
        const Says says{list, 1};
        co_await spawn({.name = "child"}, child(list));
        co_await sleep_for(1h);
    };
    {
        VirtualClock clock;
        Scheduler scheduler{{.name = "closes", .clock = &clock}};
        // by a thread with a block of tids of its own, behind that of the scheduler's
        scheduler.spawn({}, nothing());
        std::jthread{[&] { scheduler.spawn({.name = "parent"}, parent(order)); }}.join();
        scheduler.run_until_idle();
    }
    EXPECT_THAT(order, ElementsAre(2, 1));
}

// ---- far away ----

TEST_F(Limits, ATimeOutOfCenturiesIsNotOverAtOnce) {
    SchedulerPool pool{{.name = "patient"}, {.workers = 1}};
    const TaskHandle task = pool.spawn({}, sleep(20ms));
    EXPECT_TRUE(pool.shutdown(std::chrono::nanoseconds::max() - 1ns));
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Limits, ASleepForEverIsNoTimeThatComes) {
    const std::uint64_t begin = scheduler.now_ns();
    const TaskHandle task = scheduler.spawn({}, sleep(kForever));
    scheduler.run();
    EXPECT_EQ(task.state(), TaskState::Sleeping);
    EXPECT_EQ(scheduler.now_ns(), begin);
}

TEST_F(Limits, ABudgetNeedsAPeriod) {
    EXPECT_THROW(scheduler.spawn({.budget = 1ms, .budget_period = 0ms}, nothing()), std::invalid_argument);
    EXPECT_EQ(scheduler.live(), 0u);
}

}  // namespace
}  // namespace tiffany::testing
