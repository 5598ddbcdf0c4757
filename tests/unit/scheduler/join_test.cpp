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

TEST_F(Joins, AJoinGivesWhatTheTargetReturned) {
    auto answer = []() -> Task<int> {
        co_await yield();
        co_return 42;
    };
    int got = 0;
    auto asker = [](ResultHandle<int> target, int& result) -> Task<> { result = co_await join(target); };
    const ResultHandle<int> target = scheduler.spawn({}, answer());
    EXPECT_EQ(target.result(), nullptr);
    scheduler.spawn({}, asker(target, got));
    scheduler.run();
    EXPECT_EQ(got, 42);
    ASSERT_NE(target.result(), nullptr);
    EXPECT_EQ(*target.result(), 42);
}

TEST_F(Joins, AResultThatCanOnlyBeMovedIsFetchedThroughTheHandle) {
    auto maker = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    const ResultHandle<std::unique_ptr<int>> target = scheduler.spawn({}, maker());
    scheduler.run();
    EXPECT_EQ(**target.result(), 7);
}

TEST_F(Joins, TheErrorItselfIsPassedOn) {
    struct Odd : std::runtime_error {
        using std::runtime_error::runtime_error;
        int code = 17;
    };
    auto thrower = []() -> Task<> {
        throw Odd{"odd"};
        co_return;
    };
    int code = 0;
    auto joiner = [](TaskHandle target, int& result) -> Task<> {
        try {
            co_await join(target);
        } catch (const TargetFailed& failed) {
            try {
                std::rethrow_exception(failed.error());
            } catch (const Odd& odd) {
                result = odd.code;
            }
        }
    };
    scheduler.spawn({}, joiner(scheduler.spawn({}, thrower()), code));
    scheduler.run();
    EXPECT_EQ(code, 17);
}

TEST_F(Joins, ATidIsEnoughWhileSomebodyHasAHandle) {
    auto by_tid = [](std::uint64_t tid) -> Task<> { co_await join(tid); };
    TaskHandle target = scheduler.spawn({.priority = 20}, nothing());
    const std::uint64_t tid = target.tid();
    const TaskHandle first = scheduler.spawn({}, by_tid(tid));
    scheduler.run();
    EXPECT_EQ(first.state(), TaskState::Finished);
    const TaskRef by_number[] = {tid};
    EXPECT_EQ(scheduler.spawn({.dependencies = by_number}, nothing()).state(), TaskState::Ready);
    target = {};
    const TaskHandle second = scheduler.spawn({}, by_tid(tid));
    scheduler.run();
    EXPECT_EQ(second.error(), "cannot join task " + std::to_string(tid) + ": nobody has a handle of such a task");
    EXPECT_THROW(scheduler.spawn({.dependencies = by_number}, nothing()), std::invalid_argument);
}

TEST_F(Joins, AJoinThatWouldCloseACycleIsAnErrorAndNamesIt) {
    std::vector<TaskHandle> tasks(3);
    std::string error;
    auto joiner = [](std::vector<TaskHandle>& all, std::size_t whom, std::string& result) -> Task<> {
        try {
            co_await join(all[whom]);
        } catch (const JoinCycle& cycle) {
            result = cycle.what();
        }
    };
    tasks[0] = scheduler.spawn({.name = "a"}, joiner(tasks, 1, error));
    tasks[1] = scheduler.spawn({.name = "b"}, joiner(tasks, 2, error));
    tasks[2] = scheduler.spawn({.name = "c"}, joiner(tasks, 0, error));
    scheduler.run();
    const auto name = [&](const char* what, int i) {
        return std::string{what} + " (" + std::to_string(tasks[static_cast<std::size_t>(i)].tid()) + ")";
    };
    EXPECT_EQ(error, "cannot join: these tasks would wait for each other for ever: " + name("c", 2) + " -> " +
                         name("a", 0) + " -> " + name("b", 1) + " -> " + name("c", 2));
    EXPECT_EQ(scheduler.live(), 0u);
    EXPECT_THAT(story_of(tasks[2]), ElementsAre("Spawned Ready", "Running", "Done"));
}

TEST_F(Joins, ADependencyIsAPartOfACycle) {
    TaskHandle dependent;
    std::string error;
    auto joiner = [](TaskHandle& whom, std::string& result) -> Task<> {
        try {
            co_await join(whom);
        } catch (const JoinCycle& cycle) {
            result = cycle.what();
        }
    };
    const TaskRef first[] = {scheduler.spawn({.name = "first"}, joiner(dependent, error))};
    dependent = scheduler.spawn({.name = "dependent", .dependencies = first}, nothing());
    scheduler.run();
    EXPECT_NE(error.find("-> dependent ("), std::string::npos) << error;
    EXPECT_EQ(dependent.state(), TaskState::Finished);
}

TEST_F(Joins, AJoinWithATimeOutMayCloseACycleBecauseItEnds) {
    TaskHandle second;
    bool in_time = true;
    auto patient = [](TaskHandle& whom, bool& result) -> Task<> { result = co_await join_for(whom, 5ms); };
    auto joiner = [](TaskHandle whom) -> Task<> { co_await join(whom); };
    const TaskHandle first = scheduler.spawn({}, patient(second, in_time));
    second = scheduler.spawn({}, joiner(first));
    scheduler.run();
    EXPECT_FALSE(in_time);
    EXPECT_EQ(second.state(), TaskState::Finished);
}

TEST_F(Joins, TasksSpawnCancelAndFindThemselves) {
    std::uint64_t tid = 0;
    TaskHandle child;
    bool asked = false;
    auto parent = [](std::uint64_t& own, TaskHandle& spawned, bool& cancelled) -> Task<> {
        own = (co_await current_task()).tid();
        SpawnOptions options;
        options.name = "child";
        spawned = co_await spawn(options, sleep(1h));
        co_await yield();
        cancelled = co_await cancel(spawned.tid());
    };
    const TaskHandle task = scheduler.spawn({}, parent(tid, child, asked));
    scheduler.run();
    EXPECT_EQ(tid, task.tid());
    EXPECT_TRUE(asked);
    EXPECT_EQ(story_of(child).back(), by("Cancelled asked by", task) + " from Running");
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

TEST_F(Joins, AnErrorThatTheTaskMadeItselfFailsItToo) {
    auto makes_one = []() -> Task<> {
        throw TargetFailed{1, "of its own", nullptr};
        co_return;
    };
    const TaskHandle task = scheduler.spawn({}, makes_one());
    scheduler.run();
    EXPECT_EQ(task.state(), TaskState::Failed);
    EXPECT_EQ(task.error(), "the joined task failed: of its own");
}

}  // namespace
}  // namespace tiffany::testing
