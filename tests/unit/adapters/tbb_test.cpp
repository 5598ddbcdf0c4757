// oneTBB's tasks as tasks: which hooks they fire, in which order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/tbb.hpp>

#include <oneapi/tbb/global_control.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>
#include <vector>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tiffany::testing;
using tiffany::CancelCause;
using tiffany::Stamp;
using tiffany::TaskEvent;
using tiffany::WakeCause;
using tiffany::tbb::task_arena;
using tiffany::tbb::task_group;
using tiffany::tbb::Telemetry;

/// What the transitions of all tasks were, in order, of a run on one worker: "Running outer".
std::vector<std::string> story(const Recording& run) {
    std::vector<std::string> told;
    for (const tiffany::pal::Record& record : run.records())
        if (record.is_transition()) told.push_back(std::string{record.info->name} + ' ' + run.task(record.tid).name);
    return told;
}

/// Waits for a thing that another thread does. The processor may be one that they share.
template <typename Condition>
void until(const Condition& condition) {
    while (!condition())
        std::this_thread::sleep_for(100us);
}

class TbbTest : public testing::Test {
  protected:
    /// @param threads  that run tasks together, the calling one being one of them
    Recording run_with(int threads, const std::function<void(Telemetry&)>& program) {
        const tbb::global_control allows{tbb::global_control::max_allowed_parallelism,
                                         static_cast<std::size_t>(threads)};
        const ScopedSink sink;
        {
            Telemetry telemetry{"tbb"};
            tbb::task_arena arena{threads};
            arena.execute([&] { program(telemetry); });
        }
        Recording run = sink.recording();
        EXPECT_THAT(run, LifecycleIsLegal());
        EXPECT_THAT(run, RunsOneAtATime());
        EXPECT_THAT(run, TicksAreNested());
        EXPECT_THAT(run, WorkersAreWhole());
        return run;
    }
    Recording run_alone(const std::function<void(Telemetry&)>& program) { return run_with(1, program); }
};

TEST_F(TbbTest, ATaskIsToldWithWhatItsSpawnGives) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "short", .group = telemetry.group("kind"), .priority = 3}, [] {});
        group.wait();
    });
    const TaskLife life = run.task("short");
    ASSERT_THAT(life, EventsAre("Spawned", "Running", "Done"));
    const tiffany::pal::Record& spawned = life.steps.front();
    EXPECT_EQ(spawned.number("priority"), 3u);
    EXPECT_EQ(spawned.number("group"), 1u);
    EXPECT_EQ(spawned.number("parent"), 0u);
    EXPECT_THAT(std::string{spawned.text("site")}, testing::HasSubstr("tbb_test.cpp:"));
    EXPECT_EQ(run.tasks().size(), 1u) << "what the program makes of the functor is no task before TBB has it";
}

TEST_F(TbbTest, AFunctorRunsWithWhatItCaptured) {
    std::vector<int> squares(100);
    run_with(4, [&](Telemetry& telemetry) {
        task_group group{telemetry};
        for (int i = 0; i < 100; ++i)
            group.run({.name = "square"}, [&squares, value = std::make_shared<int>(i)] {
                squares[static_cast<std::size_t>(*value)] = *value * *value;
            });
        group.wait();
    });
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(squares[static_cast<std::size_t>(i)], i * i);
}

TEST_F(TbbTest, ANestedWaitIsAJoinAndWhatRunsMeanwhileRunsOnThatWorker) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "outer"}, [&] {
            task_group inner{telemetry};
            inner.run({.name = "inner"}, [] {});
            inner.wait();
        });
        group.wait();
    });
    EXPECT_THAT(story(run),
                testing::ElementsAre("Spawned outer", "Running outer", "Spawned inner", "Join outer", "Running inner",
                                     "Done inner", "Ready outer", "Running outer", "Done outer"));
    const TaskLife outer = run.task("outer");
    const TaskLife inner = run.task("inner");
    EXPECT_EQ(inner.steps.front().number("parent"), outer.tid);
    EXPECT_EQ(step(outer, TaskEvent::Join).number("target"), inner.tid);
    EXPECT_EQ(step(outer, TaskEvent::Ready).number("cause"), number(WakeCause::join));
    EXPECT_EQ(step(outer, TaskEvent::Ready).number("waker"), inner.tid);
    EXPECT_EQ(step(outer, TaskEvent::Running).worker, step(inner, TaskEvent::Running).worker);
}

/// The wait picks up a task that has nothing to do with it: the waiter is Ready from the end of what it waited for.
TEST_F(TbbTest, AWaitThatRunsAnotherGroupsTaskIsReadySinceItsOwnHaveEnded) {
    const Recording run = run_with(2, [](Telemetry& telemetry) {
        task_group all{telemetry};
        std::atomic<bool> inner_runs{false};
        std::atomic<bool> other_runs{false};
        std::atomic<bool> inner_ended{false};
        all.run_and_wait({.name = "outer"}, [&] {
            task_group group{telemetry};
            group.run({.name = "inner"}, [&] {
                inner_runs = true;
                until([&] { return other_runs.load(); });
                inner_ended = true;
            });
            until([&] { return inner_runs.load(); });  // on the other thread, so that this one has but the other task
            all.run({.name = "other"}, [&] {
                other_runs = true;
                until([&] { return inner_ended.load(); });
                std::this_thread::sleep_for(20ms);
            });
            group.wait();
        });
    });
    const TaskLife outer = run.task("outer");
    const TaskLife inner = run.task("inner");
    const TaskLife other = run.task("other");
    ASSERT_THAT(outer, EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Done"));
    ASSERT_THAT(inner, EventsAre("Spawned", "Running", "Done"));
    ASSERT_THAT(other, EventsAre("Spawned", "Running", "Done"));
    EXPECT_EQ(step(outer, TaskEvent::Running).worker, step(other, TaskEvent::Running).worker);
    EXPECT_NE(step(outer, TaskEvent::Running).worker, step(inner, TaskEvent::Running).worker);
    const auto after_inner = static_cast<std::int64_t>(other.steps.back().ts_ns - inner.steps.back().ts_ns);
    EXPECT_GE(static_cast<std::int64_t>(outer.steps[4].number("ready_ns")), after_inner);
}

/// As of a thread that loses the CPU between the stamp of its task's end and the count of those that live.
TEST(TbbLastEnd, IsTheLatestByItsStampInWhateverOrderEndsAreTold) {
    tiffany::detail::TbbLastEnd last;
    last.tell(7, Stamp{20});
    last.tell(8, Stamp{10});
    EXPECT_EQ(last.since(Stamp{1}).ticks(), 20u);
    EXPECT_EQ(last.tid(), 7u);
    last.tell(9, Stamp{20});
    EXPECT_EQ(last.tid(), 9u) << "of one moment the one that is told last";
    last.tell(10, Stamp{30});
    EXPECT_EQ(last.since(Stamp{1}).ticks(), 30u);
    EXPECT_EQ(last.tid(), 10u);
}

TEST(TbbLastEnd, IsOfNoTimeToAWaitThatBeganAfterIt) {
    tiffany::detail::TbbLastEnd last;
    EXPECT_FALSE(last.since(Stamp{}).known());
    last.tell(7, Stamp{20});
    EXPECT_EQ(last.since(Stamp{20}).ticks(), 20u);
    EXPECT_FALSE(last.since(Stamp{21}).known());
    EXPECT_FALSE(last.since(Stamp{}).known()) << "it may have been long before";
    last.tell(8, Stamp{});  // nobody listens
    EXPECT_EQ(last.tid(), 8u);
    EXPECT_FALSE(last.since(Stamp{21}).known()) << "that of an earlier one";
}

TEST_F(TbbTest, AWaitForNothingIsNoJoin) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "task"}, [&] {
            task_group inner{telemetry};
            inner.wait();
            inner.run_and_wait({.name = "inner"}, [] {});
            inner.wait();
        });
        group.wait();
    });
    EXPECT_THAT(run.task("task"), EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Done"));
}

/// TBB's own algorithms wait, too, and run what is there.
TEST_F(TbbTest, ATaskThatRunsWithinAPlainWaitOfAnotherInterruptsIt) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run_and_wait({.name = "outer"}, [&] {
            tbb::task_group plain;  // whose task lies beneath the other one
            plain.run([] {});
            group.run({.name = "taken up"}, [] {});
            plain.wait();
        });
    });
    EXPECT_THAT(story(run), testing::ElementsAre("Spawned outer", "Running outer", "Spawned taken up", "Yield outer",
                                                 "Running taken up", "Done taken up", "Running outer", "Done outer"));
}

/// A plain task that TBB takes up in a task's wait is no part of that task.
TEST_F(TbbTest, WhatAPlainTaskDoesWithinTheWaitOfAnotherIsNotTheWaiters) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_arena arena{telemetry, 1};
        tbb::task_group plain;
        task_group group{telemetry};
        group.run_and_wait({.name = "waiter"}, [&] {
            task_group inner{telemetry};
            inner.run({.name = "inner"}, [] {});
            plain.run([&] {  // lies above the inner one
                tiffany::tbb::yield();
                task_group others{telemetry};
                others.run({.name = "other"}, [] {});
                others.wait();
                arena.execute({.name = "executed"}, [] {});
            });
            inner.wait();
        });
        plain.wait();
    });
    EXPECT_THAT(story(run), testing::ElementsAre("Spawned waiter", "Running waiter", "Spawned inner", "Join waiter",
                                                 "Spawned other", "Running other", "Done other", "Spawned executed",
                                                 "Running executed", "Done executed", "Running inner", "Done inner",
                                                 "Ready waiter", "Running waiter", "Done waiter"));
    EXPECT_EQ(run.task("other").steps.front().number("parent"), 0u);
}

TEST_F(TbbTest, AYieldIsToldOfTheTaskThatRunsHere) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        tiffany::tbb::yield();  // no task runs here
        task_group group{telemetry};
        group.run({.name = "yielder"}, [] { tiffany::tbb::yield(); });
        group.wait();
    });
    EXPECT_THAT(run.task("yielder"), EventsAre("Spawned", "Running", "Yield", "Running", "Done"));
}

TEST_F(TbbTest, AnExceptionFailsItsTaskAndReachesTheWaiter) {
    std::string caught;
    const Recording run = run_alone([&](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "failing"}, [] { throw std::runtime_error{"page 3 is torn"}; });
        try {
            group.wait();
        } catch (const std::runtime_error& error) {
            caught = error.what();
        }
    });
    EXPECT_EQ(caught, "page 3 is torn");
    const TaskLife life = run.task("failing");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Failed"));
    EXPECT_EQ(life.steps.back().text("error"), "page 3 is torn");
}

TEST_F(TbbTest, AnExceptionOfAnUnknownKindFailsItToo) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        EXPECT_ANY_THROW(group.run_and_wait({.name = "failing"}, [] { throw 7; }));
    });
    EXPECT_THAT(run.task("failing"), EventsAre("Spawned", "Running", "Failed"));
}

TEST_F(TbbTest, AnExceptionThatANestedWaitThrowsEndsTheJoinFirst) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "outer"}, [&] {
            task_group inner{telemetry};
            inner.run({.name = "inner"}, [] { throw std::runtime_error{"gone"}; });
            inner.wait();
        });
        EXPECT_THROW(group.wait(), std::runtime_error);
    });
    EXPECT_THAT(run.task("outer"), EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Failed"));
    EXPECT_THAT(run.task("inner"), EventsAre("Spawned", "Running", "Failed"));
}

TEST_F(TbbTest, TasksOfACancelledGroupThatDidNotRunAreCancelledByWhoAsked) {
    tbb::task_group_status status = tbb::complete;
    const Recording run = run_alone([&](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "never"}, [] { ADD_FAILURE() << "it was cancelled before"; });
        status = group.run_and_wait({.name = "canceller"}, [&] { group.cancel(); });
        group.run_and_wait({.name = "next"}, [] {});  // the group is as new
    });
    EXPECT_EQ(status, tbb::canceled);
    const TaskLife never = run.task("never");
    ASSERT_THAT(never, EventsAre("Spawned", "Cancelled"));
    EXPECT_EQ(never.steps.back().number("cause"), number(CancelCause::asked));
    EXPECT_EQ(never.steps.back().number("canceller"), run.task("canceller").tid);
    EXPECT_THAT(run.task("canceller"), EventsAre("Spawned", "Running", "Done"));
    EXPECT_THAT(run.task("next"), EventsAre("Spawned", "Running", "Done"));
}

TEST_F(TbbTest, AnExceptionCancelsWhatDidNotRun) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run({.name = "never"}, [] { ADD_FAILURE() << "it was cancelled before"; });
        EXPECT_THROW(group.run_and_wait({.name = "failing"}, [] { throw std::runtime_error{"no"}; }),
                     std::runtime_error);
    });
    const TaskLife never = run.task("never");
    ASSERT_THAT(never, EventsAre("Spawned", "Cancelled"));
    EXPECT_EQ(never.steps.back().number("canceller"), run.task("failing").tid);
}

/// TBB runs nothing more in a group that is cancelled, run_and_wait's own task neither.
TEST_F(TbbTest, ATaskThatIsToRunInACancelledGroupIsCancelledBeforeItsWaiterGoesOn) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group outer{telemetry};
        outer.run_and_wait({.name = "outer"}, [&] {
            task_group group{telemetry};
            group.run({.name = "first"}, [] {});  // TBB forgets the cancellation of a group that has had no task
            group.cancel();
            group.run_and_wait({.name = "never"}, [] { ADD_FAILURE() << "it was cancelled before"; });
        });
    });
    EXPECT_THAT(run.task("never"), EventsAre("Spawned", "Cancelled"));
    const std::vector<std::string> told = story(run);
    EXPECT_LT(std::find(told.begin(), told.end(), "Cancelled never"),
              std::find(told.begin(), told.end(), "Ready outer"));
}

TEST_F(TbbTest, AHandleThatIsDroppedIsATaskDestroyed) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_group group{telemetry};
        group.run(group.defer({.name = "kept"}, [] {}));
        EXPECT_EQ(group.run_and_wait(group.defer({.name = "waited for"}, [] {})), tbb::complete);
        {
            const tbb::task_handle handle = group.defer({.name = "dropped"}, [] {});
        }
        group.wait();
    });
    EXPECT_THAT(run.task("kept"), EventsAre("Spawned", "Running", "Done"));
    EXPECT_THAT(run.task("waited for"), EventsAre("Spawned", "Running", "Done"));
    const TaskLife dropped = run.task("dropped");
    ASSERT_THAT(dropped, EventsAre("Spawned", "Cancelled"));
    EXPECT_EQ(dropped.steps.back().number("cause"), number(CancelCause::destroyed));
}

TEST_F(TbbTest, AGroupThatNobodyWaitedForCancelsItsTasksAsTbbDoes) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        const auto forget_to_wait = [&] {
            task_group group{telemetry};
            group.run({.name = "forgotten"}, [] { ADD_FAILURE() << "it was cancelled before"; });
        };
        EXPECT_THROW(forget_to_wait(), tbb::missing_wait);
    });
    EXPECT_THAT(run.task("forgotten"), EventsAre("Spawned", "Cancelled"));
}

TEST_F(TbbTest, AnArenaRunsATaskAndReturnsWhatItDoes) {
    int result = 0;
    const Recording run = run_alone([&](Telemetry& telemetry) {
        task_arena arena{telemetry, 1};
        task_group group{telemetry};
        group.run_and_wait({.name = "outer"}, [&] { result = arena.execute({.name = "inner"}, [] { return 42; }); });
        EXPECT_THROW(arena.execute({.name = "failing"}, [] { throw std::runtime_error{"no"}; }), std::runtime_error);
    });
    EXPECT_EQ(result, 42);
    EXPECT_THAT(run.task("outer"), EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Done"));
    EXPECT_THAT(run.task("inner"), EventsAre("Spawned", "Running", "Done"));
    EXPECT_EQ(run.task("inner").steps.front().number("parent"), run.task("outer").tid);
    EXPECT_THAT(run.task("failing"), EventsAre("Spawned", "Running", "Failed"));
}

TEST_F(TbbTest, AnArenaTakesTheSettingsOfAPlainOne) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        const tbb::task_arena plain{3, 2, tbb::task_arena::priority::high};
        task_arena arena{telemetry, plain};
        EXPECT_EQ(arena.execute({.name = "executed"}, [] { return tbb::this_task_arena::max_concurrency(); }), 3);
        EXPECT_EQ(arena.arena().max_concurrency(), 3);
        EXPECT_FALSE(plain.is_active()) << "it is another one";
    });
    EXPECT_THAT(run.task("executed"), EventsAre("Spawned", "Running", "Done"));
}

/// Threads that are not TBB's execute, too; those of TBB have a loop, and so ticks.
TEST_F(TbbTest, WhatIsEnqueuedRunsOnAThreadOfTbbWithAWorkerOfItsOwn) {
    const Recording run = run_with(3, [](Telemetry& telemetry) {
        task_arena arena{telemetry, 2};
        std::atomic<int> ran{0};
        for (int i = 0; i < 10; ++i)
            arena.enqueue({.name = "enqueued"}, [&] { ++ran; });
        // its threads come and go for their own reasons; these have come, and run something
        until([&] { return ran == 10; });
    });
    std::set<tiffany::pal::WorkerId> with_ticks;
    for (const tiffany::pal::Record& record : run.records())
        if (record.info->id == tiffany::EventId::TickBegin) with_ticks.insert(record.worker);
    EXPECT_FALSE(with_ticks.empty());
    int tasks = 0;
    for (const TaskLife& life : run.tasks()) {
        EXPECT_THAT(life, EventsAre("Spawned", "Running", "Done"));
        EXPECT_TRUE(with_ticks.count(step(life, TaskEvent::Running).worker) == 1);
        EXPECT_NE(step(life, TaskEvent::Running).worker, step(life, TaskEvent::Spawned).worker);
        ++tasks;
    }
    EXPECT_EQ(tasks, 10);
}

/// Its function has returned: what becomes of the result is no part of the run.
TEST_F(TbbTest, ATaskWhoseResultCannotBeMovedIsDone) {
    struct Stuck {
        Stuck() = default;
        Stuck(const Stuck&) { throw std::runtime_error{"no room"}; }
    };
    const Recording run = run_alone([](Telemetry& telemetry) {
        task_arena arena{telemetry, 1};
        EXPECT_THROW(arena.execute({.name = "stuck"}, [] { return Stuck{}; }), std::runtime_error);
    });
    EXPECT_THAT(run.task("stuck"), EventsAre("Spawned", "Running", "Done"));
}

void walk(Telemetry& telemetry, int depth, std::atomic<int>& leaves) {
    if (depth == 0) {
        ++leaves;
        return;
    }
    task_group group{telemetry};
    group.run({.name = "left"}, [&telemetry, depth, &leaves] { walk(telemetry, depth - 1, leaves); });
    group.run({.name = "right"}, [&telemetry, depth, &leaves] { walk(telemetry, depth - 1, leaves); });
    group.wait();
}

TEST_F(TbbTest, ATreeOfTasksOnSeveralThreadsIsWhole) {
    constexpr int kDepth = 8;
    std::atomic<int> leaves{0};
    const Recording run = run_with(4, [&](Telemetry& telemetry) {
        walk(telemetry, kDepth, leaves);
        // every thread takes part: each runs one of these
        std::atomic<int> here{0};
        task_group group{telemetry};
        for (int i = 0; i < 4; ++i)
            group.run({.name = "meet"}, [&] {
                ++here;
                until([&] { return here == 4; });
            });
        group.wait();
    });
    EXPECT_EQ(leaves, 1 << kDepth);
    std::size_t nodes = 0;
    std::set<std::uint64_t> those_that_meet;
    for (const TaskLife& life : run.tasks()) {
        if (life.name == "meet")
            those_that_meet.insert(life.tid);
        else
            ++nodes;
    }
    EXPECT_EQ(nodes, (std::size_t{2} << kDepth) - 2);
    std::set<tiffany::pal::WorkerId> meeting;
    for (const tiffany::pal::Record& record : run.records())
        if (is(record, TaskEvent::Running) && those_that_meet.count(record.tid) == 1) meeting.insert(record.worker);
    EXPECT_EQ(meeting.size(), 4u);
}

TEST_F(TbbTest, TwoTelemetriesOfOneThreadAreToldApart) {
    const Recording run = run_alone([](Telemetry& telemetry) {
        Telemetry other{"other"};
        task_group group{telemetry};
        group.run_and_wait({.name = "mine"}, [&] {
            task_group others{other};
            others.run_and_wait({.name = "other's"}, [] {});
        });
    });
    EXPECT_THAT(run.task("mine"), EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Done"));
    EXPECT_NE(step(run.task("mine"), TaskEvent::Running).worker, step(run.task("other's"), TaskEvent::Running).worker);
}

}  // namespace
