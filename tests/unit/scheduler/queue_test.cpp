// Spawning, the ready queue, time.

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Queue : public Scheduled {
  protected:
    std::vector<std::string> order;

    static Task<> note(std::vector<std::string>& order, std::string what, int yields) {
        order.push_back(what);
        for (int i = 0; i < yields; ++i) {
            co_await yield();
            order.push_back(what);
        }
    }
};

TEST_F(Queue, ATaskIsSpawnedReadyRunsAndIsDone) {
    const TaskHandle task = scheduler.spawn({.name = "a"}, nothing());
    EXPECT_EQ(task.state(), TaskState::Ready);
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Done"));
    EXPECT_EQ(task.state(), TaskState::Finished);
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Queue, SpawnTellsNameSitePriorityGroupAndParent) {
    const std::uint16_t group = scheduler.telemetry().group("kind");
    std::uint32_t line = 0;
    TaskHandle child;
    auto parent = [&]() -> Task<> {
        SchedulerBase& here = co_await this_scheduler();
        line = __LINE__ + 1;
        child = here.spawn({.name = "child", .priority = 3, .group = group}, nothing());
    };
    const TaskHandle task = scheduler.spawn({.name = "parent"}, parent());
    scheduler.run_until_idle();
    const auto event = recording().last<tiffany_task_spawned>(EventId::TaskSpawned);
    EXPECT_STREQ(event.name, "child");
    EXPECT_EQ(event.site, "queue_test.cpp:" + std::to_string(line));
    EXPECT_EQ(event.priority, 3);
    EXPECT_EQ(event.group, group);
    EXPECT_EQ(event.parent, task.tid());
}

TEST_F(Queue, TheMoreUrgentRunsFirst) {
    for (const int priority : {255, 64, 0, 63, 10})
        scheduler.spawn({.priority = static_cast<std::uint8_t>(priority)}, note(order, std::to_string(priority), 0));
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("0", "10", "63", "64", "255"));
}

TEST_F(Queue, WithinOnePriorityTheFirstThatCameRunsFirst) {
    scheduler.spawn({}, note(order, "a", 1));
    scheduler.spawn({}, note(order, "b", 1));
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("a", "b", "a", "b"));
    expect_queue_equation();
}

TEST_F(Queue, SleepersWakeInTheOrderOfTheirDeadlinesAndTellHowLateTheyWereNoticed) {
    const TaskHandle late = scheduler.spawn({}, sleep(20ns));
    const TaskHandle early = scheduler.spawn({}, sleep(10ns));
    scheduler.run_until_idle();
    EXPECT_EQ(late.state(), TaskState::Sleeping);
    advance(9ns);
    scheduler.run_until_idle();
    EXPECT_EQ(early.state(), TaskState::Sleeping);
    advance(1ns);
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(early), ElementsAre("Spawned Ready", "Running", "Sleep 10", "Ready timer", "Running", "Done"));
    advance(13ns);
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(late),
                ElementsAre("Spawned Ready", "Running", "Sleep 20", "Ready timer late 3", "Running", "Done"));
}

TEST_F(Queue, ManyTimersFireInOrderAlsoWhenSomeAreTakenOut) {
    std::vector<TaskHandle> tasks;
    std::vector<int> woke;
    auto sleeper = [](std::vector<int>& list, int after) -> Task<> {
        co_await sleep_for(std::chrono::nanoseconds{after});
        list.push_back(after);
    };
    for (int i = 0; i < 200; ++i)
        tasks.push_back(scheduler.spawn({}, sleeper(woke, (i * 71) % 200 + 1)));
    scheduler.run_until_idle();
    for (std::size_t i = 0; i < tasks.size(); i += 3)
        tasks[i].cancel();
    for (int i = 0; i < 200; ++i) {
        advance(1ns);
        scheduler.run_until_idle();
    }
    EXPECT_EQ(woke.size(), 200u - 67u);
    EXPECT_TRUE(std::is_sorted(woke.begin(), woke.end()));
    EXPECT_EQ(scheduler.live(), 0u);
    expect_queue_equation();
}

TEST_F(Queue, ASleepWhoseTimeIsOverIsAYield) {
    auto sleeper = [](std::uint64_t deadline) -> Task<> {
        co_await sleep_for(0ns);
        co_await sleep_for(-5ns);
        co_await sleep_until(deadline);
    };
    const TaskHandle task = scheduler.spawn({}, sleeper(scheduler.now_ns()));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Yield", "Running", "Yield",
                                            "Running", "Done"));
}

TEST_F(Queue, TheProgramsCountIsTheNumberOfEvents) {
    scheduler.spawn({}, note(order, "a", 3));
    scheduler.run_until_idle();
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Yield), 3u);
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Running), 4u);
    EXPECT_EQ(scheduler.telemetry().transitions(), 9u);
}

TEST_F(Queue, StopReturnsAndALaterRunGoesOn) {
    auto stopper = [](Scheduler& here) -> Task<> {
        here.stop();
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({}, stopper(scheduler));
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Ready);
    scheduler.run_until_idle();
    EXPECT_TRUE(task.ended());
}

TEST_F(Queue, WhatWasPostedBeforeAStopIsCalledByTheNextRun) {
    int calls = 0;
    scheduler.stop();
    scheduler.post([&] { ++calls; });
    scheduler.run_until_idle();
    EXPECT_EQ(calls, 0);
    scheduler.run_until_idle();
    EXPECT_EQ(calls, 1);
}

TEST_F(Queue, FindKnowsLiveTasksOnly) {
    const TaskHandle task = scheduler.spawn({}, nothing());
    EXPECT_EQ(scheduler.find(task.tid()).tid(), task.tid());
    scheduler.run_until_idle();
    EXPECT_FALSE(scheduler.find(task.tid()));
}

}  // namespace
}  // namespace tiffany::testing
