// The design's rule Cancel, state by state.

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Cancel : public Scheduled {};

TEST_F(Cancel, ASleepingTaskGoesReadyRunsAndIsCancelled) {
    const TaskHandle task = scheduler.spawn({}, sleep(1h));
    scheduler.run_until_idle();
    EXPECT_TRUE(task.cancel());
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Sleep 3600000000000", "Ready cancel",
                                            "Running", "Cancelled asked from Running"));
    expect_queue_equation();
}

TEST_F(Cancel, AWaitingTaskGoesReadyRunsAndIsCancelled) {
    Event never;
    const TaskHandle task = scheduler.spawn({}, wait_for(never));
    scheduler.run_until_idle();
    auto canceller = [](TaskHandle target) -> Task<> {
        target.cancel();
        co_return;
    };
    const TaskHandle by_task = scheduler.spawn({}, canceller(task));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Wait", by("Ready cancel by", by_task),
                                            "Running", by("Cancelled asked by", by_task) + " from Running"));
    never.set();  // it left the event's list
}

TEST_F(Cancel, ATaskThatJoinsGoesReadyAndLeavesTheJoin) {
    Event event;
    auto joiner = [](TaskHandle target) -> Task<> { co_await join(target); };
    const TaskHandle target = scheduler.spawn({}, wait_for(event));
    const TaskHandle task = scheduler.spawn({}, joiner(target));
    scheduler.run_until_idle();
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).back(), "Cancelled asked from Running");
    event.set();
    scheduler.run_until_idle();
    EXPECT_EQ(target.state(), TaskState::Finished);
}

TEST_F(Cancel, AReadyTaskStaysReadyThenRunsAndNeverBegins) {
    bool ran = false;
    auto setter = [](bool& flag) -> Task<> {
        flag = true;
        co_return;
    };
    const TaskHandle task = scheduler.spawn({}, setter(ran));
    task.cancel();
    EXPECT_EQ(task.state(), TaskState::Ready);
    scheduler.run_until_idle();
    EXPECT_FALSE(ran);
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Cancelled asked from Running"));
}

TEST_F(Cancel, AReadyTaskThatHasBegunGetsItWhereItIsSuspended) {
    auto yielder = []() -> Task<> {
        for (;;)
            co_await yield();
    };
    const TaskHandle task = scheduler.spawn({}, yielder());
    const auto canceller = [](TaskHandle target) -> Task<> {
        target.cancel();
        co_return;
    };
    scheduler.spawn({}, canceller(task));
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).back().substr(0, 15), "Cancelled asked");
    EXPECT_EQ(story_of(task).size(), 5u);  // Spawned, Running, Yield, Running, Cancelled
}

TEST_F(Cancel, ARunningTaskGetsItAtItsNextSuspensionPoint) {
    bool reached = false;
    bool passed = false;
    auto suicidal = [](bool& before, bool& after) -> Task<> {
        (co_await current_task()).cancel();
        before = true;
        co_await sleep_for(1h);
        after = true;
    };
    const TaskHandle task = scheduler.spawn({}, suicidal(reached, passed));
    scheduler.run_until_idle();
    EXPECT_TRUE(reached);
    EXPECT_FALSE(passed);
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", by("Cancelled asked by", task) + " from Running"));
}

TEST_F(Cancel, AThrottledTaskGoesReadyAtOnce) {
    auto burner = [](VirtualClock& time) -> Task<> {
        time.advance(20'000);
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({.budget = 10us, .budget_period = 1ms}, burner(clock));
    scheduler.run_until_idle();
    ASSERT_EQ(task.state(), TaskState::Throttled);
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).at(3), "Ready cancel");
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

TEST_F(Cancel, ATaskThatWaitsForDependenciesGoesReadyRunsAndNeverBegins) {
    Event event;
    const TaskRef needs[] = {scheduler.spawn({}, wait_for(event))};
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, nothing());
    scheduler.run_until_idle();
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Waiting", "Ready cancel", "Running", "Cancelled asked from Running"));
    event.set();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(task).size(), 4u);
}

TEST_F(Cancel, ATaskThatCatchesItGoesOnAndEndsAsItEnds) {
    auto stubborn = []() -> Task<> {
        try {
            co_await sleep_for(1h);
        } catch (const TaskCancelled&) {
        }
        co_await yield();
    };
    auto angry = []() -> Task<> {
        try {
            co_await sleep_for(1h);
        } catch (const TaskCancelled&) {
            throw std::runtime_error{"not now"};
        }
    };
    const TaskHandle done = scheduler.spawn({}, stubborn());
    const TaskHandle failed = scheduler.spawn({}, angry());
    scheduler.run_until_idle();
    done.cancel();
    failed.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(done).back(), "Done");
    EXPECT_EQ(story_of(failed).back(), "Failed not now");
}

TEST_F(Cancel, IsThrownOnceForEachRequestThatFoundNonePending) {
    int thrown = 0;
    auto counter = [](int& count) -> Task<> {
        while (count < 2) {
            try {
                co_await sleep_for(1h);
            } catch (const TaskCancelled&) {
                ++count;
            }
        }
    };
    const TaskHandle task = scheduler.spawn({}, counter(thrown));
    scheduler.run_until_idle();
    EXPECT_TRUE(task.cancel());
    EXPECT_FALSE(task.cancel());
    scheduler.run_until_idle();
    EXPECT_EQ(thrown, 1);
    EXPECT_EQ(task.state(), TaskState::Sleeping);
    EXPECT_TRUE(task.cancel());
    scheduler.run_until_idle();
    EXPECT_EQ(thrown, 2);
    EXPECT_EQ(task.state(), TaskState::Finished);
    EXPECT_FALSE(task.cancel());
}

TEST_F(Cancel, AnExceptionOfTheSameTypeWithoutARequestIsAFailure) {
    auto pretender = []() -> Task<> { throw TaskCancelled{(co_await current_task()).tid(), CancelCause::asked}; };
    const TaskHandle task = scheduler.spawn({}, pretender());
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Failed);
}

TEST_F(Cancel, ShutdownAsksAllWithItsOwnCause) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep(1h));
    scheduler.run_until_idle();
    const TaskHandle ready = scheduler.spawn({}, nothing());
    scheduler.cancel_all();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(sleeper).back(), "Cancelled shutdown from Running");
    EXPECT_EQ(story_of(ready).back(), "Cancelled shutdown from Running");
}

TEST_F(Cancel, ComesThroughNestedCoroutines) {
    int unwound = 0;
    auto inner = [](int& count) -> Task<> {
        struct Guard {
            int& count;
            ~Guard() { ++count; }
        };
        const Guard guard{count};
        co_await sleep_for(1h);
    };
    auto outer = [&](int& count) -> Task<> { co_await inner(count); };
    const TaskHandle task = scheduler.spawn({}, outer(unwound));
    scheduler.run_until_idle();
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(unwound, 1);
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

}  // namespace
}  // namespace tiffany::testing
