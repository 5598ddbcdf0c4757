// Wakes, from tasks and from other threads; these run on the real clock, because the scheduler blocks.

#include <atomic>
#include <thread>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Wake : public Scheduled {
  protected:
    static Task<> sleep_once(std::atomic<int>& woken) {
        co_await sleep_until_woken();
        ++woken;
    }
    std::atomic<int> woken{0};
};

TEST_F(Wake, AnotherTaskWakesASleeper) {
    auto waker = [](TaskHandle target) -> Task<> {
        target.wake();
        co_return;
    };
    const TaskHandle sleeper = scheduler.spawn({}, sleep_once(woken));
    const TaskHandle other = scheduler.spawn({}, waker(sleeper));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper),
                ElementsAre("Spawned Ready", "Running", "Sleep 0", by("Ready event by", other), "Running", "Done"));
}

TEST_F(Wake, AWakeBeforeTheSleepMakesItAYield) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep_once(woken));
    sleeper.wake();
    sleeper.wake();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Done"));
}

TEST_F(Wake, AWakeBeforeASleepPastTheQuantumMakesItThrottled) {
    auto burner = [](VirtualClock& time) -> Task<> {
        time.advance(6'000'000);
        co_await sleep_until_woken();
    };
    const TaskHandle sleeper = scheduler.spawn({}, burner(clock));
    sleeper.wake();
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(sleeper).at(2), "Throttled 0");
}

TEST_F(Wake, ACancelledSleeperIsNotWokenAgain) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep_once(woken));
    scheduler.run_until_idle();
    sleeper.cancel();
    sleeper.wake();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper), ElementsAre("Spawned Ready", "Running", "Sleep 0", "Ready cancel", "Running",
                                               "Cancelled asked from Running"));
}

TEST_F(Wake, AnotherThreadWakesASleeperOnItsOwnWorker) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep_once(woken));
    scheduler.run_until_idle();
    std::thread{[&] { sleeper.wake(); }}.join();
    EXPECT_EQ(sleeper.state(), TaskState::Ready);
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper),
                ElementsAre("Spawned Ready", "Running", "Sleep 0", "Ready external", "Running", "Done"));
    EXPECT_NE(recording().last<tiffany_task_ready>(EventId::TaskReady).worker,
              recording().last<tiffany_task_running>(EventId::TaskRunning).worker);
    expect_queue_equation();
}

TEST_F(Wake, ACancelAfterAWakeOfAnotherThreadFindsTheTaskReady) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep_once(woken));
    scheduler.run_until_idle();
    std::thread{[&] { sleeper.wake(); }}.join();
    sleeper.cancel();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper), ElementsAre("Spawned Ready", "Running", "Sleep 0", "Ready external", "Running",
                                               "Cancelled asked from Running"));
}

TEST_F(Wake, AnotherThreadsSpawnIsCountedOnItsWorker) {
    TaskHandle task;
    std::thread{[&] { task = scheduler.spawn({.name = "foreign"}, nothing()); }}.join();
    EXPECT_EQ(story_of(task).front(), "Spawned Ready");
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Finished);
    EXPECT_NE(recording().last<tiffany_task_spawned>(EventId::TaskSpawned).worker,
              recording().last<tiffany_task_running>(EventId::TaskRunning).worker);
}

TEST_F(Wake, DependenciesOfAnotherThreadsSpawnAreLookedAtByTheScheduler) {
    const TaskHandle finished = scheduler.spawn({}, nothing());
    const TaskHandle failed = scheduler.spawn({}, fail("no"));
    scheduler.run_until_idle();
    TaskHandle good;
    TaskHandle bad;
    std::thread{[&] {
        const TaskRef of_good[] = {finished};
        const TaskRef of_bad[] = {failed};
        good = scheduler.spawn({.dependencies = of_good}, nothing());
        bad = scheduler.spawn({.dependencies = of_bad}, nothing());
    }}.join();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(good), ElementsAre("Spawned Waiting", by("Ready dependency by", finished), "Running", "Done"));
    EXPECT_EQ(bad.state(), TaskState::Cancelled);
}

TEST_F(Wake, ASchedulerThatClosesCancelsWhatAnotherThreadSpawned) {
    TaskHandle task;
    std::thread{[&] { task = scheduler.spawn({}, nothing()); }}.join();
    scheduler.close();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Cancelled destroyed from Ready"));
    std::thread{[&] { EXPECT_THROW(scheduler.spawn({}, nothing()), SpawnRefused); }}.join();
}

TEST_F(Wake, AnotherThreadCancelsATask) {
    const TaskHandle sleeper = scheduler.spawn({}, sleep(1h));
    scheduler.run_until_idle();
    std::thread{[&] { EXPECT_TRUE(sleeper.cancel()); }}.join();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sleeper), ElementsAre("Spawned Ready", "Running", "Sleep 3600000000000", "Ready cancel",
                                               "Running", "Cancelled asked from Running"));
}

TEST_F(Wake, APostedFunctionIsCalledOnTheSchedulersThread) {
    std::thread::id ran_on;
    std::thread{[&] { scheduler.post([&] { ran_on = std::this_thread::get_id(); }); }}.join();
    scheduler.run_until_idle();
    EXPECT_EQ(ran_on, std::this_thread::get_id());
}

TEST_F(RealTime, ManyWakesFromThreadsWhileTheSchedulerBlocksAreNotLost) {
    Scheduler scheduler{{.name = "real"}};
    constexpr int kRounds = 300;
    constexpr int kThreads = 3;
    std::atomic<int> rounds[kThreads] = {};
    auto echo = [](std::atomic<int>& round) -> Task<> {
        while (round < kRounds) {
            co_await sleep_until_woken();
            ++round;
        }
    };
    std::vector<TaskHandle> tasks;
    for (auto& round : rounds)
        tasks.push_back(scheduler.spawn({.name = "echo"}, echo(round)));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i) {
        threads.emplace_back([&, i] {
            for (int seen = 0; seen < kRounds; ++seen) {
                tasks[i].wake();
                while (rounds[i] == seen)
                    std::this_thread::yield();
            }
        });
    }
    scheduler.run();
    for (std::thread& thread : threads)
        thread.join();
    for (const TaskHandle& task : tasks)
        EXPECT_EQ(task.state(), TaskState::Finished);
    EXPECT_GE(recording().of(EventId::ParkBegin).size(), 1u);
    EXPECT_EQ(recording().of(EventId::ParkBegin).size(), recording().of(EventId::ParkEnd).size());
}

TEST_F(RealTime, AThreadStopsARunThatBlocks) {
    Scheduler scheduler{{.name = "real"}};
    scheduler.spawn({.name = "for ever"}, sleep(24h));
    std::thread stopper{[&] { scheduler.stop(); }};
    scheduler.run();
    stopper.join();
    EXPECT_EQ(scheduler.live(), 1u);
}

TEST_F(RealTime, ATimerEndsAPark) {
    Scheduler scheduler{{.name = "real"}};
    // so long that the thread parks before it is over, though it may get no CPU for a while
    const TaskHandle task = scheduler.spawn({.name = "short"}, sleep(1s));
    const std::uint64_t begin = scheduler.now_ns();
    scheduler.run();
    EXPECT_TRUE(task.ended());
    EXPECT_GE(scheduler.now_ns() - begin, 1'000'000'000u);
    EXPECT_GE(recording().of(EventId::ParkBegin).size(), 1u);
}

}  // namespace
}  // namespace tiffany::testing
