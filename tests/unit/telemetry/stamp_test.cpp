// One moment shared by several hooks, with a clock that the test moves.

#include <type_traits>

#include "recorded.hpp"

namespace tiffany::testing {
namespace {

class Stamps : public Recorded {
  protected:
    VirtualClock clock;
    SchedulerTelemetry telemetry{"stamps", {.metrics = false, .clock = &clock}};
    WorkerLease lease = telemetry.worker();
    Worker& worker = *lease;
    TaskTimes task;

    template <typename Event>
    static Event last(EventId id) {
        return recording().last<Event>(id);
    }
    static std::uint64_t run_ns() { return last<tiffany_task_yield>(EventId::TaskYield).run_ns; }
    static tiffany_task_running running() { return last<tiffany_task_running>(EventId::TaskRunning); }
};

TEST_F(Stamps, TheEndOfARunAndTheBeginningOfTheNextAreOneMoment) {
    TaskTimes next;
    worker.spawned(task, {.name = "t"});
    worker.spawned(next, {.name = "n"});
    clock.advance(10);
    worker.running(task, worker.now());
    clock.advance(700);
    const Stamp both = worker.now();
    clock.advance(5);  // passes between the hooks, and is nobody's
    worker.yield(task, both);
    clock.advance(5);
    worker.running(next, both);
    EXPECT_EQ(run_ns(), 700u);
    EXPECT_EQ(running().ready_ns, 710u);
    clock.advance(90);
    worker.yield(next);
    EXPECT_EQ(run_ns(), 100u) << "from the shared moment on";
}

TEST_F(Stamps, EveryHookTakesTheTimeFromItsStamp) {
    const auto run = [&](auto end) {
        TaskTimes other;
        worker.spawned(other, {.name = "t"}, Stamp{100});
        worker.running(other, Stamp{130});
        EXPECT_EQ(running().ready_ns, 30u);
        end(other);
    };
    const Stamp end{172};
    run([&](TaskTimes& t) { worker.yield(t, end); });
    run([&](TaskTimes& t) { worker.sleep(t, 5, end); });
    run([&](TaskTimes& t) { worker.iowait(t, 3, end); });
    run([&](TaskTimes& t) { worker.join(t, 1, end); });
    run([&](TaskTimes& t) { worker.wait(t, WaitReason::lock, 9, end); });
    run([&](TaskTimes& t) { worker.throttled(t, 0, end); });
    run([&](TaskTimes& t) { worker.done(t, end); });
    run([&](TaskTimes& t) { worker.failed(t, "why", end); });
    run([&](TaskTimes& t) { worker.cancelled(t, CancelCause::asked, 0, end); });
    EXPECT_EQ(last<tiffany_task_yield>(EventId::TaskYield).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_sleep>(EventId::TaskSleep).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_iowait>(EventId::TaskIoWait).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_join>(EventId::TaskJoin).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_wait>(EventId::TaskWait).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_throttled>(EventId::TaskThrottled).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_done>(EventId::TaskDone).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_failed>(EventId::TaskFailed).run_ns, 42u);
    EXPECT_EQ(last<tiffany_task_cancelled>(EventId::TaskCancelled).run_ns, 42u);
}

TEST_F(Stamps, AWaitIsFromStampToStamp) {
    worker.spawned(task, {.name = "t"}, Stamp{100});
    worker.running(task, Stamp{100});
    worker.sleep(task, 50, Stamp{200});
    worker.ready(task, WakeCause::timer, 0, 0, Stamp{260});
    worker.running(task, Stamp{263});
    EXPECT_EQ(running().ready_ns, 3u);
    EXPECT_EQ(running().wait_ns, 63u);
}

TEST_F(Stamps, WithoutOneTheHookReadsTheClock) {
    worker.spawned(task, {.name = "t"});
    clock.advance(30);
    worker.running(task, Stamp{});
    clock.advance(12);
    worker.yield(task);
    EXPECT_EQ(running().ready_ns, 30u);
    EXPECT_EQ(run_ns(), 12u);
}

TEST_F(Stamps, TheSameMomentTwiceIsOneNanosecond) {
    worker.spawned(task, {.name = "t"});
    clock.advance(50);
    const Stamp now = worker.now();
    worker.running(task, now);
    worker.yield(task, now);
    worker.running(task, now);
    EXPECT_EQ(run_ns(), 1u);
    EXPECT_EQ(running().ready_ns, 1u);
}

TEST_F(Stamps, OneFromBeforeTheTasksLastTransitionMakesThatTimeOne) {
    clock.advance(100);
    const Stamp early = worker.now();
    clock.advance(40);
    worker.spawned(task, {.name = "t"});  // by another thread, say, after this one looked at the clock
    worker.running(task, early);
    EXPECT_EQ(running().ready_ns, 1u);
    clock.advance(10);
    worker.yield(task);
    EXPECT_EQ(run_ns(), 50u) << "from the stamp, as it was given";
}

TEST_F(Stamps, NothingIsReadWhileNothingListens) {
    EXPECT_TRUE(worker.listens());
    EXPECT_EQ(worker.now().ticks(), clock.ticks());
    recording().set_enabled(false);
    { const Worker::Tick notices{worker, task}; }
    EXPECT_FALSE(worker.listens());
    EXPECT_FALSE(worker.now().known());
}

TEST_F(Stamps, MetricsAloneListen) {
    recording().set_enabled(false);
    SchedulerTelemetry measured{"measured", {.clock = &clock}};
    const WorkerLease its = measured.worker();
    EXPECT_TRUE(its->listens());
    EXPECT_TRUE(its->now().known());
    EXPECT_TRUE(measured.here().listens()) << "the same worker, or one of a thread without a loop";
}

TEST_F(Stamps, ATimeBetweenTwoIsKnownIfBothAre) {
    const Stamp unknown;
    const Stamp from{1000};
    EXPECT_EQ(worker.ns_between(from, Stamp{1500}), 500u);
    EXPECT_EQ(worker.ns_between(from, from), 1u);
    EXPECT_EQ(worker.ns_between(Stamp{1500}, from), 1u);
    EXPECT_EQ(worker.ns_between(unknown, from), 0u);
    EXPECT_EQ(worker.ns_between(from, unknown), 0u);
    EXPECT_EQ(worker.ns_between(unknown, unknown), 0u);
}

TEST(Stamp, IsAValueOfOneWordThatNoNumberBecomesUnasked) {
    EXPECT_EQ(sizeof(Stamp), sizeof(std::uint64_t));
    EXPECT_TRUE(std::is_trivially_copyable_v<Stamp>);
    EXPECT_FALSE((std::is_convertible_v<std::uint64_t, Stamp>)) << "a waker's tid is no moment";
}

TEST_F(Stamps, ATaskIsReadyNoEarlierThanItBeganToWait) {
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    const Stamp early = worker.now();
    clock.advance(100);
    worker.wait(task, WaitReason::event, 1);
    clock.advance(10);
    worker.ready(task, WakeCause::event, 0, 0, early);  // taken by whoever woke it, before it waited
    clock.advance(1);
    worker.running(task);
    EXPECT_EQ(running().wait_ns, 11u);
    EXPECT_EQ(running().ready_ns, 11u);
}

}  // namespace
}  // namespace tiffany::testing
