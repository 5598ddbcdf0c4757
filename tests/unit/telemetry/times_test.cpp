// The times that events carry, with a clock that the test moves.

#include "recorded.hpp"

namespace tiffany::testing {
namespace {

class Times : public Recorded {
  protected:
    VirtualClock clock;
    SchedulerTelemetry telemetry{"times", {.metrics = false, .clock = &clock}};
    WorkerLease lease = telemetry.worker();
    Worker& worker = *lease;
    TaskTimes task;

    void spawn_and_run() {
        worker.spawned(task, {.name = "t"});
        worker.running(task);
    }
};

TEST_F(Times, RunIsFromRunningToTheEventThatEndsIt) {
    spawn_and_run();
    clock.advance(700);
    worker.yield(task);
    EXPECT_EQ(recording().last<tiffany_task_yield>(EventId::TaskYield).run_ns, 700u);
}

TEST_F(Times, EveryEventThatEndsARunTellsItsLength) {
    const auto run = [&](auto end) {
        TaskTimes other;
        worker.spawned(other, {.name = "t"});
        worker.running(other);
        clock.advance(42);
        end(other);
    };
    run([&](TaskTimes& t) { worker.yield(t); });
    run([&](TaskTimes& t) { worker.sleep(t, 5); });
    run([&](TaskTimes& t) { worker.iowait(t, 3); });
    run([&](TaskTimes& t) { worker.join(t, 1); });
    run([&](TaskTimes& t) { worker.wait(t, WaitReason::lock, 9); });
    run([&](TaskTimes& t) { worker.throttled(t, 0); });
    run([&](TaskTimes& t) { worker.done(t); });
    run([&](TaskTimes& t) { worker.failed(t, "why"); });
    run([&](TaskTimes& t) { worker.cancelled(t, CancelCause::asked); });
    EXPECT_EQ(recording().last<tiffany_task_yield>(EventId::TaskYield).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_sleep>(EventId::TaskSleep).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_iowait>(EventId::TaskIoWait).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_join>(EventId::TaskJoin).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_wait>(EventId::TaskWait).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_throttled>(EventId::TaskThrottled).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_done>(EventId::TaskDone).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_failed>(EventId::TaskFailed).run_ns, 42u);
    EXPECT_EQ(recording().last<tiffany_task_cancelled>(EventId::TaskCancelled).run_ns, 42u);
}

TEST_F(Times, ATimeThatIsKnownIsAtLeastOne) {
    spawn_and_run();
    worker.yield(task);
    EXPECT_EQ(recording().last<tiffany_task_running>(EventId::TaskRunning).ready_ns, 1u);
    EXPECT_EQ(recording().last<tiffany_task_yield>(EventId::TaskYield).run_ns, 1u);
}

TEST_F(Times, ReadyDelayIsFromTheEventThatMadeItReady) {
    worker.spawned(task, {.name = "t"});
    clock.advance(30);
    worker.running(task);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(running.ready_ns, 30u);
    EXPECT_EQ(running.wait_ns, 0u);
    EXPECT_EQ(running.waited, static_cast<std::uint8_t>(WaitKind::none));
}

TEST_F(Times, WaitIsFromNotReadyToRunningAndHoldsTheReadyDelay) {
    spawn_and_run();
    worker.sleep(task, 100);
    clock.advance(100);
    worker.ready(task, WakeCause::timer, 0, 4);
    clock.advance(20);
    worker.running(task);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(running.ready_ns, 20u);
    EXPECT_EQ(running.wait_ns, 120u);
    EXPECT_EQ(running.waited, static_cast<std::uint8_t>(WaitKind::sleep));
    EXPECT_EQ(recording().last<tiffany_task_ready>(EventId::TaskReady).late_ns, 4u);
}

TEST_F(Times, AWaitIsNotToldTwice) {
    spawn_and_run();
    worker.sleep(task, 100);
    clock.advance(100);
    worker.ready(task, WakeCause::timer);
    worker.running(task);
    worker.yield(task);
    clock.advance(5);
    worker.running(task);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(running.ready_ns, 5u);
    EXPECT_EQ(running.wait_ns, 0u);
    EXPECT_EQ(running.waited, static_cast<std::uint8_t>(WaitKind::none));
}

TEST_F(Times, ADependencyIsAWaitFromTheSpawnOn) {
    worker.spawned(task, {.name = "t", .waiting = true});
    EXPECT_EQ(task.state(), TaskState::Waiting);
    clock.advance(10);
    worker.ready(task, WakeCause::dependency);
    clock.advance(1);
    worker.running(task);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(running.wait_ns, 11u);
    EXPECT_EQ(running.waited, static_cast<std::uint8_t>(WaitKind::dependency));
}

TEST_F(Times, AStampFromBeforeAPauseOfListeningIsNotUsed) {
    spawn_and_run();  // stamped
    recording().set_enabled(false);
    { const Worker::Tick notices{worker, task}; }
    worker.sleep(task, 1);  // nobody listens: no stamp
    clock.advance(1'000'000);
    start_session();
    { const Worker::Tick notices{worker, task}; }
    worker.ready(task, WakeCause::timer);
    clock.advance(7);
    worker.running(task);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(running.ready_ns, 7u);
    EXPECT_EQ(running.wait_ns, 0u) << "the suspension was not seen: the wait is unknown";
    EXPECT_EQ(running.waited, static_cast<std::uint8_t>(WaitKind::sleep)) << "what it waited for is always known";
}

TEST_F(Times, ARunWhoseBeginNobodySawIsUnknown) {
    recording().set_enabled(false);
    { const Worker::Tick notices{worker, task}; }
    spawn_and_run();
    start_session();
    { const Worker::Tick notices{worker, task}; }
    clock.advance(99);
    worker.yield(task);
    EXPECT_EQ(recording().last<tiffany_task_yield>(EventId::TaskYield).run_ns, 0u);
}

TEST_F(Times, ACancelledTaskThatDidNotRunHasNoRun) {
    spawn_and_run();
    worker.sleep(task, 0);
    clock.advance(50);
    worker.cancelled(task, CancelCause::destroyed, 17);
    const auto cancelled = recording().last<tiffany_task_cancelled>(EventId::TaskCancelled);
    EXPECT_EQ(cancelled.run_ns, 0u);
    EXPECT_EQ(cancelled.from_state, static_cast<std::uint8_t>(TaskState::Sleeping));
    EXPECT_EQ(cancelled.canceller, 17u);
    EXPECT_EQ(cancelled.cause, static_cast<std::uint8_t>(CancelCause::destroyed));
}

TEST_F(Times, ParkTellsHowLong) {
    worker.park();
    clock.advance(1234);
    worker.unpark();
    EXPECT_EQ(recording().last<tiffany_worker_unpark>(EventId::ParkEnd).park_ns, 1234u);
}

TEST_F(Times, TheTickTellsTheRunThatEndedInIt) {
    recording().ticks_enabled = true;
    recording().statedump();
    worker.spawned(task, {.name = "t"});
    {
        const Worker::Tick tick{worker, task};
        worker.running(task);
        clock.advance(8);
        worker.sleep(task, 1);
    }
    const auto begin = recording().last<tiffany_tick_begin>(EventId::TickBegin);
    const auto end = recording().last<tiffany_tick_end>(EventId::TickEnd);
    EXPECT_EQ(begin.tid, task.tid());
    EXPECT_EQ(begin.state, static_cast<std::uint8_t>(TaskState::Ready));
    EXPECT_EQ(end.tid, task.tid());
    EXPECT_EQ(end.state, static_cast<std::uint8_t>(TaskState::Sleeping));
    EXPECT_EQ(end.run_ns, 8u);
}

}  // namespace
}  // namespace tiffany::testing
