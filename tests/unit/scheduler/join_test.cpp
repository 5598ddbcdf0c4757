// Joins, events, and how a failure is told.

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Joins : public Scheduled {
  protected:
    std::string told;

    static Task<> join_and_tell(TaskHandle target, std::string& told) {
        try {
            co_await join(target);
            told = "finished";
        } catch (const TargetFailed& failed) {
            told = "failed: " + failed.message();
        } catch (const TargetCancelled&) {
            told = "cancelled";
        }
    }
};

TEST_F(Joins, TheJoinerWaitsAndIsWokenByTheTarget) {
    const TaskHandle target = scheduler.spawn({.priority = 20}, nothing());
    const TaskHandle joiner = scheduler.spawn({}, join_and_tell(target, told));
    scheduler.run_until_idle();
    EXPECT_EQ(told, "finished");
    EXPECT_THAT(story_of(joiner), ElementsAre("Spawned Ready", "Running", by("Join", target),
                                              by("Ready join by", target), "Running", "Done"));
}

TEST_F(Joins, AJoinOfAnEndedTaskIsNoSuspensionAndNoEvent) {
    const TaskHandle target = scheduler.spawn({}, nothing());
    scheduler.run_until_idle();
    const TaskHandle joiner = scheduler.spawn({}, join_and_tell(target, told));
    scheduler.run_until_idle();
    EXPECT_EQ(told, "finished");
    EXPECT_THAT(story_of(joiner), ElementsAre("Spawned Ready", "Running", "Done"));
}

TEST_F(Joins, AFailedTaskTellsItsJoinerAndTheSchedulerGoesOn) {
    const TaskHandle target = scheduler.spawn({.priority = 20}, fail("disk full"));
    const TaskHandle joiner = scheduler.spawn({}, join_and_tell(target, told));
    const TaskHandle other = scheduler.spawn({.priority = 30}, nothing());
    scheduler.run_until_idle();
    EXPECT_EQ(told, "failed: disk full");
    EXPECT_THAT(story_of(target), ElementsAre("Spawned Ready", "Running", "Failed disk full"));
    EXPECT_EQ(story_of(joiner)[3], by("Ready join by", target));
    EXPECT_EQ(target.error(), "disk full");
    EXPECT_EQ(other.state(), TaskState::Finished);
}

TEST_F(Joins, AJoinOfATaskThatFailedBeforeThrowsToo) {
    const TaskHandle target = scheduler.spawn({}, fail("gone"));
    scheduler.run_until_idle();
    scheduler.spawn({}, join_and_tell(target, told));
    scheduler.run_until_idle();
    EXPECT_EQ(told, "failed: gone");
}

TEST_F(Joins, ACancelledTaskTellsItsJoiner) {
    Event never;
    const TaskHandle target = scheduler.spawn({}, wait_for(never));
    scheduler.spawn({}, join_and_tell(target, told));
    scheduler.run_until_idle();
    target.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(told, "cancelled");
}

TEST_F(Joins, AnErrorThatLeavesTheJoinerFailsIt) {
    auto join_only = [](TaskHandle target) -> Task<> { co_await join(target); };
    const TaskHandle target = scheduler.spawn({}, fail("root"));
    const TaskHandle joiner = scheduler.spawn({}, join_only(target));
    scheduler.run_until_idle();
    EXPECT_EQ(joiner.state(), TaskState::Failed);
    EXPECT_EQ(joiner.error(), "the joined task failed: root");
}

TEST_F(Joins, ATaskThatThrowsNoStdExceptionFails) {
    auto thrower = []() -> Task<> {
        throw 7;
        co_return;
    };
    const TaskHandle task = scheduler.spawn({}, thrower());
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", "Failed an exception that is no std::exception"));
}

TEST_F(Joins, AJoinThatTimesOutGoesReadyByTheTimer) {
    Event never;
    bool in_time = true;
    auto patient = [](TaskHandle target, bool& result) -> Task<> { result = co_await join_for(target, 10ns); };
    const TaskHandle target = scheduler.spawn({}, wait_for(never));
    const TaskHandle joiner = scheduler.spawn({}, patient(target, in_time));
    scheduler.run_until_idle();
    advance(10ns);
    scheduler.run_until_idle();
    EXPECT_FALSE(in_time);
    EXPECT_EQ(story_of(joiner)[3], "Ready timer");
    EXPECT_EQ(target.state(), TaskState::Waiting);
    target.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(joiner).size(), 6u);  // the target's end tells it nothing any more
}

TEST_F(Joins, AJoinOfItselfOfNothingOrOfAnotherSchedulersTaskIsAnError) {
    Scheduler other{{.name = "other", .clock = &clock}};
    int errors = 0;
    auto wrong = [](TaskHandle target, int& count) -> Task<> {
        try {
            co_await join(target);
        } catch (const std::logic_error&) {
            ++count;
        }
    };
    auto self = [](int& count) -> Task<> {
        const TaskHandle me = co_await current_task();
        try {
            co_await join(me);
        } catch (const std::logic_error&) {
            ++count;
        }
    };
    scheduler.spawn({}, wrong(TaskHandle{}, errors));
    scheduler.spawn({}, self(errors));
    scheduler.spawn({}, wrong(other.spawn({}, nothing()), errors));
    scheduler.run_until_idle();
    EXPECT_EQ(errors, 3);
}

TEST_F(Joins, AnEventWakesAllThatWaitInTheirOrder) {
    Event event;
    const TaskHandle first = scheduler.spawn({}, wait_for(event));
    const TaskHandle second = scheduler.spawn({}, wait_for(event));
    auto setter = [](Event& e) -> Task<> {
        e.set();
        co_return;
    };
    scheduler.run_until_idle();
    const auto waited = recording().last<tiffany_task_wait>(EventId::TaskWait);
    EXPECT_EQ(waited.reason, static_cast<std::uint8_t>(WaitReason::event));
    EXPECT_EQ(waited.resource, event.id());
    const TaskHandle waker = scheduler.spawn({}, setter(event));
    scheduler.run_until_idle();
    for (const TaskHandle& task : {first, second})
        EXPECT_THAT(story_of(task),
                    ElementsAre("Spawned Ready", "Running", "Wait", by("Ready event by", waker), "Running", "Done"));
}

TEST_F(Joins, AnEventThatIsSetIsNoSuspensionAndNoEvent) {
    Event event;
    event.set();
    const TaskHandle task = scheduler.spawn({}, wait_for(event));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Done"));
}

TEST_F(Joins, AWaitThatTimesOutLeavesTheEvent) {
    Event event;
    bool in_time = true;
    auto patient = [](Event& e, bool& result) -> Task<> { result = co_await e.wait(10ns); };
    const TaskHandle task = scheduler.spawn({}, patient(event, in_time));
    scheduler.run_until_idle();
    advance(11ns);
    scheduler.run_until_idle();
    event.set();
    EXPECT_FALSE(in_time);
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", "Wait", "Ready timer late 1", "Running", "Done"));
}

}  // namespace
}  // namespace tiffany::testing
