// What a run leaves in memory, and two runs compared byte for byte.

#include <gmock/gmock.h>

#include <chrono>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/testing/identity.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <vector>

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// One life on a worker: 3 transitions.
void live(Worker& worker, const char* name) {
    TaskTimes task;
    worker.spawned(task, {.name = name});
    worker.running(task);
    worker.done(task);
}

TEST(ScopedSink, KeepsWhatFiresWhileItLives) {
    {
        const ScopedSink sink;
        SchedulerTelemetry telemetry{"kept"};
        live(*telemetry.worker(), "kept");
        const Recording run = sink.recording();
        EXPECT_THAT(run.task("kept"), EventsAre("Spawned", "Running", "Done"));
        EXPECT_THAT(run.workers(), SizeIs(1));
        EXPECT_EQ(run.of_worker(run.workers()[0]).front().info->name, "WorkerStarted");
        EXPECT_EQ(run.of_worker(run.workers()[0]).back().info->name, "WorkerStopped");
    }
    SchedulerTelemetry telemetry{"not kept"};
    live(*telemetry.worker(), "not kept");
    const ScopedSink sink;
    EXPECT_THAT(sink.recording().tasks(), IsEmpty());
}

TEST(ScopedSink, RefusesASecondOneAndGoesOn) {
    const auto first = std::make_unique<ScopedSink>();
    SchedulerTelemetry telemetry{"one sink"};
    const WorkerLease worker = telemetry.worker();
    try {
        const ScopedSink second;
        FAIL() << "the first one's recording ends, and nobody is told";
    } catch (const std::logic_error& error) {
        EXPECT_THAT(error.what(), StartsWith("cannot install a second ScopedSink: one lives in this process already"));
    }
    live(*worker, "kept");
    EXPECT_THAT(first->recording().task("kept"), EventsAre("Spawned", "Running", "Done"));
}

TEST(ScopedSink, MayFollowOneThatDied) {
    { const ScopedSink before; }
    const ScopedSink sink;
    SchedulerTelemetry telemetry{"after"};
    live(*telemetry.worker(), "kept");
    EXPECT_THAT(sink.recording().tasks(), SizeIs(1));
}

TEST(ScopedSink, ForgetsWhatCameBeforeAClear) {
    ScopedSink sink;
    SchedulerTelemetry telemetry{"cleared"};
    const WorkerLease worker = telemetry.worker();
    live(*worker, "before");
    sink.clear();
    live(*worker, "after");
    EXPECT_THAT(sink.recording().tasks(), SizeIs(1));
}

TEST(ScopedSink, TakesTheEventsOfManyThreads) {
    constexpr int kThreads = 4;
    constexpr int kLives = 200;
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"threads"};
        std::vector<std::jthread> threads(kThreads);
        for (std::jthread& thread : threads)
            thread = std::jthread{[&] {
                const WorkerLease worker = telemetry.worker();
                for (int i = 0; i < kLives; ++i)
                    live(*worker, "short");
            }};
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run.tasks(), SizeIs(kThreads * kLives));
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_THAT(run, WorkersAreWhole());
    EXPECT_THAT(check_ready_queue(run), IsEmpty());
    EXPECT_EQ(sink.lifecycle().ended(TaskState::Finished), static_cast<std::uint64_t>(kThreads * kLives));
}

TEST(Recording, ATaskThatIsNotThereIsAnErrorThatNamesTheOthers) {
    const ScopedSink sink;
    SchedulerTelemetry telemetry{"names"};
    live(*telemetry.worker(), "there");
    const Recording run = sink.recording();
    try {
        run.task("missing");
        FAIL() << "it was found";
    } catch (const std::out_of_range& error) {
        EXPECT_STREQ(error.what(), "expected one task 'missing', found 0; the others: 'there'");
    }
    EXPECT_THAT(run.task(std::uint64_t{1} << 60).steps, IsEmpty());
}

TEST(Recording, NothingElseIsCalledNoneAndATaskFromBeforeTheSinkByItsTid) {
    const auto said = [](const Recording& run) -> std::string {
        try {
            run.task("missing");
        } catch (const std::out_of_range& error) {
            return error.what();
        }
        return "it was found";
    };
    EXPECT_EQ(said({}), "expected one task 'missing', found 0; the others: none");
    SchedulerTelemetry telemetry{"early"};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    worker->spawned(task, {.name = "early"});
    const ScopedSink sink;
    worker->running(task);
    worker->done(task);
    EXPECT_EQ(said(sink.recording()),
              "expected one task 'missing', found 0; the others: one whose Spawned is not there (tid " +
                  std::to_string(task.tid()) + ")");
}

TEST(Recording, ANameThatTwoTasksHaveIsRefusedWithTheirTids) {
    const ScopedSink sink;
    SchedulerTelemetry telemetry{"twins"};
    const WorkerLease worker = telemetry.worker();
    live(*worker, "nap");
    live(*worker, "other");
    live(*worker, "nap");
    const Recording run = sink.recording();
    std::vector<TaskLife> naps = run.tasks();
    std::erase_if(naps, [](const TaskLife& life) { return life.name != "nap"; });
    ASSERT_EQ(naps.size(), 2u);
    try {
        run.task("nap");
        FAIL() << "one of them was found";
    } catch (const std::out_of_range& error) {
        EXPECT_EQ(error.what(), "expected one task 'nap', found 2 (tid " + std::to_string(naps[0].tid) + ", " +
                                    std::to_string(naps[1].tid) + "); the others: 'other'");
    }
    EXPECT_THAT(run.task(naps[1].tid), EventsAre("Spawned", "Running", "Done"));
}

TEST(Recording, ATaskHasItsNotesBesideItsSteps) {
    ScopedSink sink;
    SchedulerTelemetry telemetry{"notes"};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    TaskTimes silent;
    worker->spawned(task, {.name = "request"});
    worker->spawned(silent, {.name = "silent"});
    worker->running(task);
    worker->note(task, "tenant", "blue");
    worker->note(task, "try", "1");
    worker->note(task, "try", "2");
    worker->done(task);
    const TaskLife life = sink.recording().task("request");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Done"));
    EXPECT_THAT(life.notes, ElementsAre(TaskNote{"tenant", "blue"}, TaskNote{"try", "1"}, TaskNote{"try", "2"}));
    EXPECT_EQ(life.note("try"), "2") << "the last one";
    EXPECT_EQ(life.note("missing"), "");
    EXPECT_THAT(sink.recording().task("silent").notes, IsEmpty());

    sink.clear();
    worker->note(silent, "late", "yes");  // all that is told of it now
    EXPECT_EQ(sink.recording().task(silent.tid()).note("late"), "yes");
    EXPECT_THAT(sink.recording().tasks(), IsEmpty()) << "it made no transition";
    worker->cancelled(silent, CancelCause::asked);
}

TEST(Recording, LossIsNotLegal) {
    const ScopedSink sink{{.ring_bytes = 4096, .poll = 10s, .flush_timeout = ScopedSink::kFlushTimeout}};
    SchedulerTelemetry telemetry{"lossy"};
    const WorkerLease worker = telemetry.worker();
    for (int i = 0; i < 1000; ++i)
        live(*worker, "many");
    const Recording run = sink.recording();
    EXPECT_GT(run.lost(), 0u);
    const auto findings = check_lifecycle(run);
    ASSERT_THAT(findings, SizeIs(1));
    EXPECT_THAT(findings[0], HasSubstr("transitions were lost: the sink's rings are too small"));
    EXPECT_THAT(run.pal_log(), HasSubstr("\"event\":\"Gap\",\"from_seq\":"));
}

TEST(Recording, AWorkerThatIsTakenAgainKeepsItsOrder) {
    VirtualClock still;
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"again", {.clock = &still}};
        for (int i = 0; i < 3; ++i)
            std::jthread{[&] { live(*telemetry.worker(), "short"); }}.join();
    }
    EXPECT_THAT(sink.recording(), WorkersAreWhole());
}

pal::Record fired(EventId event, std::uint64_t ts_ns, std::uint64_t seq, std::uint64_t tid = 0,
                  std::uint64_t step = 0) {
    pal::Record record;
    record.info = &catalogue::info(event);
    record.ts_ns = ts_ns;
    record.worker = {.instance = 1, .index = 0};
    record.seq = seq;
    record.tid = tid;
    record.step = step;
    return record;
}

TEST(Recording, AStampOlderThanTheHookBeforeItChangesNoOrder) {
    // the second run begins when the first one ended, which is before its tick
    const Recording run{{fired(EventId::WorkerStarted, 10, 0), fired(EventId::TaskSpawned, 20, 1, 7, 1),
                         fired(EventId::TaskSpawned, 30, 2, 8, 1), fired(EventId::TickBegin, 40, 0, 7),
                         fired(EventId::TaskRunning, 50, 3, 7, 2), fired(EventId::TaskDone, 60, 4, 7, 3),
                         fired(EventId::TickEnd, 70, 0, 7), fired(EventId::TickBegin, 80, 0, 8),
                         fired(EventId::TaskRunning, 60, 5, 8, 2), fired(EventId::TaskDone, 90, 6, 8, 3),
                         fired(EventId::TickEnd, 100, 0, 8), fired(EventId::WorkerStopped, 85, 6)},
                        {}};
    EXPECT_THAT(run, WorkersAreWhole());
    EXPECT_THAT(run, TicksAreNested());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_EQ(run.records()[8].ts_ns, 80u);
}

TEST(Recording, AStallIsNotAmongWhatItsWorkerDid) {
    pal::Record spawned = fired(EventId::TaskSpawned, 20, 1, 7, 1);
    spawned.set_number("state", static_cast<std::uint64_t>(TaskState::Ready));
    // the watching thread's ring was emptied first; and the lease was given back while it told
    const Recording run{{fired(EventId::WorkerStarted, 10, 0), fired(EventId::Stalled, 70, 0, 7), spawned,
                         fired(EventId::TaskRunning, 30, 2, 7, 2), fired(EventId::TaskDone, 60, 3, 7, 3),
                         fired(EventId::WorkerStopped, 65, 3)},
                        {}};
    EXPECT_EQ(run.records()[1].ts_ns, 20u) << "what came after it in the sink is not later";
    EXPECT_EQ(run.records().back().info->name, "Stalled");
    EXPECT_THAT(run, WorkersAreWhole());
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run.of_worker(run.workers().at(0)), SizeIs(5));
}

TEST(Recording, AWorkerWhoseIndexIsUsedAgainIsSortedByTimeWhereItsEndCameLate) {
    const Recording run{{fired(EventId::WorkerStarted, 10, 0), fired(EventId::TaskSpawned, 20, 1, 7, 1),
                         fired(EventId::WorkerStarted, 50, 2), fired(EventId::TaskSpawned, 60, 3, 8, 1),
                         fired(EventId::TaskCancelled, 30, 2, 7, 2), fired(EventId::WorkerStopped, 40, 2),
                         fired(EventId::TaskCancelled, 70, 4, 8, 2), fired(EventId::WorkerStopped, 80, 4)},
                        {}};
    EXPECT_THAT(run, WorkersAreWhole());
}

// ---- the same run again ----

Task<> wander(unsigned seed, int tasks) {
    std::minstd_rand random{seed};
    const TaskHandle self = co_await current_task();
    for (int step = 0; step < 20; ++step) {
        switch (random() % 4) {
            case 0:
                co_await sleep_for(std::chrono::nanoseconds{1 + random() % 1'000'000});
                break;
            case 1:
                co_await yield();
                break;
            case 2: {
                Event never;
                co_await never.wait(std::chrono::nanoseconds{1 + random() % 1000});
                break;
            }
            default:
                if (tasks > 0) {
                    SchedulerBase& scheduler = co_await this_scheduler();
                    co_await join(scheduler.spawn({.name = "child"}, wander(seed + 1, tasks - 1)));
                }
                break;
        }
    }
    if (random() % 8 == 0) self.cancel();
    co_await yield();
}

std::string log_of_a_run(unsigned seed) {
    VirtualClock clock;
    const ScopedSink sink;
    {
        Scheduler scheduler{{.name = "again", .clock = &clock}};
        for (unsigned i = 0; i < 4; ++i)
            scheduler.spawn({.name = "wander"}, wander(seed + i, 2));
        scheduler.run_until_idle();
        while (scheduler.live() != 0) {
            clock.advance(20'000);
            scheduler.run_until_idle();
        }
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_GT(run.records().size(), 100u);
    return with_identity(run, {.host = "lab", .pid = 7, .epoch_ns = 1'700'000'000'000'000'000}).pal_log();
}

TEST(Identity, TwoRunsWithOneSeedGiveTheSameBytes) {
    const std::string first = log_of_a_run(1);
    EXPECT_EQ(first, log_of_a_run(1));
    EXPECT_NE(first, log_of_a_run(2));
}

TEST(Identity, IsWhatWasAskedFor) {
    VirtualClock clock;
    clock.advance(5);
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"named", {.clock = &clock}};
        const WorkerLease worker = telemetry.worker();
        TaskTimes task;
        worker->spawned(task, {.name = "waiter", .parent = task.tid()});
        worker->running(task);
        worker->wait(task, WaitReason::lock, 77);
        worker->cancelled(task, CancelCause::asked, task.tid());
    }
    const Recording run = with_identity(sink.recording(), {.instance = 0xabc,
                                                           .host = "lab",
                                                           .pid = 12,
                                                           .thread = 34,
                                                           .first_tid = 100,
                                                           .first_resource = 5,
                                                           .epoch_ns = 1'000'000'000});
    const std::string origin =
        R"("ts":"1970-01-01T00:00:01.000000006Z","host":"lab","pid":12,"instance":"000000000abc","worker":0)";
    const std::string log = run.pal_log();
    EXPECT_THAT(log, StartsWith(R"({"v":1,"ts":"1970-01-01T00:00:01.000000006Z","event":"Begin")"));
    EXPECT_THAT(log, HasSubstr("{\"v\":1," + origin +
                               R"(,"seq":0,"event":"Worker","kind":"started","scheduler":"named","thread":34,)"));
    EXPECT_THAT(log, HasSubstr(origin + R"(,"seq":1,"tid":100,"step":1,"event":"Spawned")"));
    EXPECT_THAT(log, HasSubstr(R"("event":"Wait","run_ns":1,"reason":"lock","resource":5)"));
    EXPECT_THAT(log, HasSubstr(R"("cause":"asked","canceller":100,)"));
    EXPECT_THAT(run, LifecycleIsLegal());
}

}  // namespace
}  // namespace tiffany::testing
