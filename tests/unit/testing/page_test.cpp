// The page docs/testing.md as tests; another one holds its blocks against this file and example_drivers.hpp.

#include <tiffany/testing/conformance_suite.hpp>
#include <tiffany/testing/identity.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>

#include "callback_queue.hpp"
#include "example_drivers.hpp"

using namespace tiffany::testing;

// [docs/testing.md: a run]
TEST(MyRuntime, RunsWhatATaskSpawns) {
    const ScopedSink sink;  // first the sink, then the runtime
    {
        tiffany::SchedulerTelemetry telemetry{"my-runtime"};
        example::CallbackQueue queue{telemetry};
        queue.spawn("parent", [&queue] {
            queue.spawn("child", [] { return false; });
            return false;
        });
        queue.run();
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_THAT(run.task("child"), EventsAre("Spawned", "Running", "Done"));
    EXPECT_EQ(run.task("child").steps.front().number("parent"), run.task("parent").tid);
}
// [end]

// [docs/testing.md: the suite]
const int tests = register_conformance<CallbackQueueDriver>("CallbackQueue");
// [end]

namespace {

// [docs/testing.md: the same again]
std::string log_of_a_run() {
    const ScopedSink sink;
    tiffany::VirtualClock clock;
    {
        tiffany::SchedulerTelemetry telemetry{"my-runtime", {.clock = &clock}};
        example::CallbackQueue queue{telemetry};
        queue.spawn("worker", [&clock] {
            clock.advance(1'000);  // the work takes 1 us of virtual time
            return false;
        });
        queue.run();
    }
    return with_identity(sink.recording(), {.host = "lab", .epoch_ns = 1'700'000'000'000'000'000}).pal_log();
}

TEST(MyRuntime, DoesTheSameAgain) {
    EXPECT_EQ(log_of_a_run(), log_of_a_run());
}
// [end]

}  // namespace
