// What the matchers hold, and what they say when it does not hold.

#include <gmock/gmock.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class Matchers : public ::testing::Test {
  protected:
    VirtualClock clock;
    ScopedSink sink;
    SchedulerTelemetry telemetry{"test", {.clock = &clock}};
    WorkerLease worker = telemetry.worker();

    template <typename Matcher, typename Value>
    static std::string explanation(const Matcher& matcher, const Value& value) {
        ::testing::StringMatchResultListener listener;
        return ::testing::ExplainMatchResult(matcher, value, &listener) ? "it matches" : listener.str();
    }

    /// Sleeps 3 us, and is then Ready for 2 us.
    void sleeper(TaskTimes& task) {
        worker->spawned(task, {.name = "sleeper"});
        clock.advance(1'000);
        worker->running(task);
        worker->sleep(task, 3'000);
        clock.advance(3'000);
        worker->ready(task, WakeCause::timer);
        clock.advance(2'000);
        worker->running(task);
        worker->done(task);
    }
};

TEST_F(Matchers, EventsAreThoseOfTheTaskByNameOrByValue) {
    TaskTimes task;
    sleeper(task);
    const TaskLife life = sink.recording().task("sleeper");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_THAT(life, EventsAre(TaskEvent::Spawned, TaskEvent::Running, "Sleep", "Ready", TaskEvent::Running, "Done"));
    EXPECT_THAT(life, Not(EventsAre("Spawned")));
}

TEST_F(Matchers, EventsThatDifferAreToldWithWhatIsAround) {
    TaskTimes task;
    sleeper(task);
    const std::string said = explanation(EventsAre("Spawned", "Running", "Yield"), sink.recording().task("sleeper"));
    EXPECT_THAT(said, StartsWith("task 'sleeper' (tid " + std::to_string(task.tid()) +
                                 "), step 3: expected Yield, found Sleep; around: 1 Spawned (state Ready, "));
    EXPECT_THAT(said, HasSubstr("[3 Sleep (run_ns 1, dur_ns 3000)], 4 Ready (cause timer, waker 0, late_ns 0)"));
    EXPECT_THAT(said, HasSubstr("; expected in all: Spawned, Running, Yield"));
    EXPECT_THAT(explanation(EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done", "Done"),
                            sink.recording().task("sleeper")),
                HasSubstr("step 7: expected Done, found nothing more"));
}

TEST_F(Matchers, ANameThatIsNoTransitionsFailsLoudly) {
    const auto said = [](const auto& use) -> std::string {
        try {
            use();
        } catch (const std::invalid_argument& error) {
            return error.what();
        }
        return "nothing";
    };
    const std::string known =
        "expected the name of a transition (Spawned, Ready, Running, Yield, Sleep, IoWait, Join, Wait, Throttled, "
        "Done, Failed, Cancelled), found ";
    EXPECT_EQ(said([] { Not(EventsAre("Spawned", "Runing")); }), known + "'Runing'");
    EXPECT_EQ(said([] { EventsAre(std::string{"running"}); }), known + "'running'");
    EXPECT_EQ(said([] { EventsAre("Note"); }), known + "'Note'") << "an event, and no step of a task's life";
    EXPECT_EQ(said([] { EventsAre(""); }), known + "''");
    EXPECT_EQ(said([] { check_events({}, {"Spawned", "Finished"}); }), known + "'Finished'");
    EXPECT_EQ(event_named("Yield"), TaskEvent::Yield);
}

TEST_F(Matchers, WaitsAndReadyDelaysHaveAClosedBound) {
    TaskTimes task;
    sleeper(task);
    const Recording run = sink.recording();
    EXPECT_THAT(run, WaitsAtMost(5us));
    EXPECT_THAT(run, Not(WaitsAtMost(4'999ns)));
    EXPECT_THAT(run, ReadyDelaysAtMost(2us));
    EXPECT_THAT(explanation(ReadyDelaysAtMost(1'999ns), run),
                HasSubstr("step 5: expected ready_ns of at most 1999, found 2000; around: "));
}

TEST_F(Matchers, ASecondRunOnAWorkerIsTold) {
    TaskTimes first;
    TaskTimes second;
    worker->spawned(first, {.name = "first"});
    worker->spawned(second, {.name = "second"});
    worker->running(first);
    worker->running(second);
    EXPECT_THAT(explanation(RunsOneAtATime(), sink.recording()),
                HasSubstr("step 2: Running on worker 0, where task 'first' (tid " + std::to_string(first.tid()) +
                          "), step 2 runs and has not ended its run"));
}

TEST_F(Matchers, ARunOutsideOfItsTickIsTold) {
    TaskTimes first;
    TaskTimes second;
    worker->spawned(first, {.name = "first"});
    worker->spawned(second, {.name = "second"});
    {
        const Worker::Tick tick{*worker, first};
        worker->running(first);
        worker->done(first);
    }
    EXPECT_THAT(sink.recording(), TicksAreNested());
    worker->running(second);
    EXPECT_THAT(explanation(TicksAreNested(), sink.recording()),
                HasSubstr("Running on worker 0, expected in a tick for that task, found no tick"));
}

TEST_F(Matchers, AWorkerWithoutTicksNeedsNone) {
    TaskTimes task;
    sleeper(task);
    EXPECT_THAT(sink.recording(), TicksAreNested());
}

TEST_F(Matchers, AWorkerThatIsHeldIsNotWholeYet) {
    EXPECT_THAT(explanation(WorkersAreWhole(), sink.recording()),
                HasSubstr("worker 0: was not stopped: its WorkerLease was not given back"));
    worker = {};
    EXPECT_THAT(sink.recording(), WorkersAreWhole());
}

TEST(MatchersOfARun, NoneHoldsWhereThereIsNoEvent) {
    const auto fails = [](const CheckMatcher<Recording>& matcher) {
        ::testing::StringMatchResultListener listener;
        EXPECT_FALSE(::testing::ExplainMatchResult(matcher, Recording{}, &listener));
        EXPECT_THAT(listener.str(), StartsWith("the recording holds no event: was the sink there before the runtime"));
    };
    fails(LifecycleIsLegal());
    fails(RunsOneAtATime());
    fails(TicksAreNested());
    fails(ParksEnd());
    fails(WorkersAreWhole());
    fails(WaitsAtMost(1s));
    fails(ReadyDelaysAtMost(1s));
}

TEST_F(Matchers, AnIllegalLifeIsTold) {
    TaskTimes task;
    worker->spawned(task, {.name = "hasty"});
    worker->done(task);
    EXPECT_THAT(explanation(LifecycleIsLegal(), sink.recording()),
                HasSubstr("Done: expected a task that is Running, found one that is Ready"));
}

}  // namespace
}  // namespace tiffany::testing
