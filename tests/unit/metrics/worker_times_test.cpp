// How long workers were busy, and how long the run that goes on has lasted.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

namespace tiffany {
namespace {

TEST(CurrentRun, OfAWorkerThatWasGivenBackInARunIsOver) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    TaskTimes task;
    {
        const WorkerLease worker = telemetry.worker();
        worker->spawned(task, {});
        worker->running(task);
        clock.advance(1'000);
        EXPECT_EQ(telemetry.snapshot().current_run_ns, 1'000u);
    }
    clock.advance(1'000);
    EXPECT_EQ(telemetry.snapshot().current_run_ns, 0u);
}

TEST(CurrentRun, ThatEndedAtAnotherWorkerIsOverWhenItsOwnParks) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    worker->spawned(task, {});
    worker->running(task);
    std::thread{[&] { telemetry.here().cancelled(task, CancelCause::destroyed); }}.join();
    worker->park();
    clock.advance(1'000);
    EXPECT_EQ(telemetry.snapshot().current_run_ns, 0u);
}

TEST(BusyTime, IsThatOfThreadsWithALoopThoughOthersWakeTheirTasks) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    std::thread{[&] {
        telemetry.here().spawned(task, {});
        clock.advance(5'000);
        EXPECT_EQ(telemetry.snapshot().workers, 1u) << "the foreign thread holds a worker, and runs no task";
        EXPECT_EQ(telemetry.snapshot().busy_ns, 5'000u);
        EXPECT_EQ(telemetry.snapshot().transitions[static_cast<std::size_t>(TaskEvent::Spawned)], 1u);
        telemetry.here().park();  // it has no loop, but nothing forbids it
        telemetry.here().unpark();
        clock.advance(1'000);
        EXPECT_EQ(telemetry.snapshot().busy_ns, 6'000u);
    }}.join();
    // the worker that the foreign thread gave back, now of one with a loop
    std::thread{[&] {
        const WorkerLease second = telemetry.worker();
        clock.advance(2'000);
        EXPECT_EQ(telemetry.snapshot().workers, 2u);
        EXPECT_EQ(telemetry.snapshot().busy_ns, 10'000u);
    }}.join();
    EXPECT_EQ(telemetry.snapshot().workers, 1u);
}

TEST(BusyTime, OfAForeignThreadThatBecomesAWorkerBeginsThere) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    telemetry.group("network");  // takes this thread's worker
    clock.advance(1'000);
    EXPECT_EQ(telemetry.snapshot().workers, 0u);
    EXPECT_EQ(telemetry.snapshot().busy_ns, 0u);
    const WorkerLease worker = telemetry.worker();
    clock.advance(300);
    EXPECT_EQ(telemetry.snapshot().workers, 1u);
    EXPECT_EQ(telemetry.snapshot().busy_ns, 300u);
}

// With the machine's clock, whose ticks are no whole ns, and threads that really overlap.

TEST(BusyTime, StandsStillWhileTheWorkerIsParked) {
    SchedulerTelemetry telemetry{"s"};
    const WorkerLease worker = telemetry.worker();
    worker->park();
    const std::uint64_t before = telemetry.snapshot().busy_ns;
    for (int i = 0; i < 20'000; ++i)
        ASSERT_EQ(telemetry.snapshot().busy_ns, before) << "after " << i << " snapshots";
}

TEST(BusyTime, NeverFallsNorCountsAParkThoughItIsReadWhileTheWorkerParks) {
    SchedulerTelemetry telemetry{"s"};
    const Clock& clock = telemetry.clock();
    std::uint64_t at_most_ns = 0;
    std::atomic<bool> ended{false};
    std::thread runs{[&] {
        std::uint64_t begin = clock.ticks();
        const WorkerLease worker = telemetry.worker();
        for (int i = 0; i < 4000; ++i) {
            worker->park();
            at_most_ns += clock.to_ns(clock.ticks() - begin);
            std::this_thread::sleep_for(std::chrono::microseconds{100});
            begin = clock.ticks();
            worker->unpark();
        }
        worker->park();
        at_most_ns += clock.to_ns(clock.ticks() - begin);
        ended = true;
    }};
    std::uint64_t last = 0;
    std::uint64_t falls = 0;
    while (!ended) {
        const std::uint64_t now = telemetry.snapshot().busy_ns;
        if (now < last) ++falls;
        last = now;
    }
    runs.join();
    EXPECT_EQ(falls, 0u);
    EXPECT_LE(last, at_most_ns + at_most_ns / 1000) << "the clock's scale may have been corrected meanwhile";
}

}  // namespace
}  // namespace tiffany
