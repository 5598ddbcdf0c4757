// The design's rule Throttle: quantum and budget.

#include "../../../src/tiffany/scheduler/budget.hpp"
#include "story.hpp"

namespace tiffany::testing {
namespace {

class Throttle : public Scheduled {
  protected:
    static Task<> burn(VirtualClock& clock, std::chrono::nanoseconds time) {
        clock.advance(static_cast<std::uint64_t>(time.count()));
        co_await yield();
    }
};

TEST_F(Throttle, AYieldPastTheQuantumStaysReadyAsThrottled) {
    const TaskHandle task = scheduler.spawn({}, burn(clock, 5ms + 1ns));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Throttled 0", "Running", "Done"));
    expect_queue_equation();
}

TEST_F(Throttle, AYieldExactlyAtTheQuantumIsAYield) {
    const TaskHandle task = scheduler.spawn({}, burn(clock, 5ms));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Done"));
}

TEST_F(Throttle, AnotherSuspensionPastTheQuantumKeepsItsOwnEvent) {
    auto sleeper = [](VirtualClock& time) -> Task<> {
        time.advance(6'000'000);
        co_await sleep_for(1ns);
    };
    const TaskHandle task = scheduler.spawn({}, sleeper(clock));
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).at(2), "Sleep 1");
}

TEST_F(Throttle, ASleepThatIsOverPastTheQuantumIsThrottled) {
    auto sleeper = [](VirtualClock& time) -> Task<> {
        time.advance(6'000'000);
        co_await sleep_for(0ns);
    };
    const TaskHandle task = scheduler.spawn({}, sleeper(clock));
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).at(2), "Throttled 0");
}

TEST_F(Throttle, AYieldPastTheBudgetParksUntilThePeriodThatPaysForIt) {
    const TaskHandle task = scheduler.spawn({.budget = 1ms, .budget_period = 10ms}, burn(clock, 2ms + 500us));
    scheduler.run_until_idle();
    ASSERT_EQ(task.state(), TaskState::Throttled);
    // 2.5 ms used, 1 ms a period: not above the limit at the second period from now, 20 ms after the spawn
    EXPECT_EQ(story_of(task).back(), "Throttled 17500000");
    advance(17'500us - 1ns);
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Throttled);
    advance(1ns);
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).at(3), "Ready quota");
    EXPECT_EQ(task.state(), TaskState::Finished);
    EXPECT_EQ(recording().last<tiffany_task_running>(EventId::TaskRunning).waited,
              static_cast<std::uint8_t>(WaitKind::throttled));
}

TEST_F(Throttle, ADebtThatASleepLeftIsTakenAtTheNextYield) {
    auto sleeper = [](VirtualClock& time) -> Task<> {
        time.advance(4'500'000);
        co_await sleep_for(1ms);  // past its budget; a sleep keeps its own event
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({.budget = 1ms, .budget_period = 10ms}, sleeper(clock));
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).back(), "Sleep 1000000");
    advance(1ms);
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).back(), "Throttled 34500000");
}

TEST(BudgetTest, WithinTheLimitThereIsNoPark) {
    detail::Budget budget{100, 1000, 0};
    budget.charge(100);
    EXPECT_EQ(budget.park_ns(999), 0u);
    budget.charge(1);
    EXPECT_EQ(budget.park_ns(999), 1u);
    EXPECT_EQ(budget.park_ns(1000), 0u);
}

TEST(BudgetTest, ALongTimePaysForAll) {
    detail::Budget budget{100, 1000, 0};
    budget.charge(100'000);
    EXPECT_EQ(budget.park_ns(std::uint64_t{1} << 62), 0u);
}

TEST_F(Throttle, ASleepOfNoTimeDoesNotEscapeTheBudget) {
    auto burn = [](VirtualClock& time) -> Task<> {
        for (int i = 0; i < 3; ++i) {
            time.advance(20'000'000);
            co_await sleep_for(0ms);
        }
    };
    const TaskHandle task = scheduler.spawn({.quantum = 0ns, .budget = 20ms}, burn(clock));
    scheduler.run();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Throttled 60000000", "Ready quota",
                            "Running", "Throttled 80000000", "Ready quota", "Running", "Done"));
}

}  // namespace
}  // namespace tiffany::testing
