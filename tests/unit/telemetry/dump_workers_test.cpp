// State dumps of a scheduler with several workers: which of them lists the tasks, and what the others tell meanwhile.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <thread>

#include "dump.hpp"
#include "held.hpp"
#include "telemetry/process.hpp"

namespace tiffany::testing {
namespace {

TEST_F(Dump, IsDoneByOneWorkerAndGoneOverAgainForOneThatComesLate) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    spawn(*lease);
    std::atomic<int> stage{0};
    std::thread late{[&] {
        const WorkerLease other = telemetry.worker();
        stage = 1;
        while (stage != 2)
            std::this_thread::yield();
        {
            const std::lock_guard lock{row.mutex};
            spawn(*other, "spawned late");  // it has not noticed the session: nobody is told
        }
        tick(*other);
        tick_until_the_end(*other, 2);
        stage = 3;
    }};
    while (stage != 1)
        std::this_thread::yield();
    start_session();
    tick_until_the_end(*lease);
    EXPECT_EQ(told_tids().size(), 1u);
    stage = 2;
    late.join();
    EXPECT_EQ(told().size(), 2u);
    EXPECT_STREQ(told().back().name, "spawned late");
    EXPECT_EQ(dumps(DumpPhase::begin).size(), 2u) << "each worker tells of itself";
    EXPECT_NE(dumps(DumpPhase::end)[0].worker, dumps(DumpPhase::end)[1].worker);
    EXPECT_EQ(dumps(DumpPhase::end)[1].tasks, 1u);
}

TEST_F(Dump, HasNoEndBeforeATaskIsToldThatAnotherWorkerIsTelling) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease);
    start_session();
    // a hook tells of the task before its event, and the thread stands still with that
    Held hook{EventId::State, [&] {
                  const WorkerLease other = telemetry.worker();
                  other->running(task);
                  other->yield(task);
              }};
    const auto until = std::chrono::steady_clock::now() + 60s;
    while (row.calls == 0 && std::chrono::steady_clock::now() < until)
        tick(*lease);
    const int calls = row.calls;
    for (int i = 0; i < 3; ++i)
        tick(*lease);
    EXPECT_TRUE(told().empty());
    EXPECT_TRUE(dumps(DumpPhase::end).empty()) << "the task is not told of yet";
    EXPECT_EQ(row.calls, calls) << "each was gone over";
    hook.end();
    tick_until_the_end(*lease);
    EXPECT_EQ(told().size(), 1u) << "by one of them";
    EXPECT_EQ(told_tids(), std::set{task.tid()});
}

TEST_F(Dump, AForkInTheMiddleOfWhatAHookTellsLeavesNothingOpen) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease);
    start_session();
    // as a signal handler would, in the thread that tells of the task; and so does the child that another thread forks
    static pid_t by_teller, by_other;
    by_teller = by_other = -1;
    const auto tells_all = [&](Worker& worker) {
        tick_until_the_end(worker);
        _exit(dumps(DumpPhase::end).size() == 1 && told_tids() == std::set{task.tid()} ? 0 : 1);
    };
    recording().meanwhile = [] {
        by_teller = fork();
        if (by_teller == 0) recording().released = true;
    };
    Held hook{EventId::State, [&] {
                  const WorkerLease other = telemetry.worker();
                  other->running(task);
                  if (by_teller != 0) return;
                  tells_all(*other);
              }};
    by_other = fork();
    if (by_other == 0) tells_all(*lease);
    hook.end();
    for (const pid_t child : {by_teller, by_other}) {
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0);
    }
}

TEST_F(Dump, OfAGenerationThatALaterOneOvertakesHasNoEnd) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 10; ++i)
        spawn(*lease);
    start_session();
    tick(*lease);
    // as it is about to list, another session begins, another worker takes the tasks for that, and has told of none
    std::optional<Held> other;
    row.before_list = [&] {
        other.emplace(EventId::State, [&] {
            const WorkerLease worker = telemetry.worker();
            start_session();
            tick_until_the_end(*worker);
        });
    };
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    while (!other && std::chrono::steady_clock::now() < deadline)
        tick(*lease);
    ASSERT_TRUE(other);
    EXPECT_TRUE(dumps(DumpPhase::end).empty()) << "it told of nothing";
    other->end();
    ASSERT_EQ(dumps(DumpPhase::end).size(), 1u);
    EXPECT_EQ(dumps(DumpPhase::end).front().generation, dumps(DumpPhase::begin).back().generation);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 10u);
    EXPECT_EQ(told_tids().size(), 10u);
}

TEST_F(Dump, AWorkerThatIsGivenBackHalfWayLeavesItToAnother) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 600; ++i)
        spawn(*lease);
    std::thread first{[&] {
        const WorkerLease other = telemetry.worker();
        start_session();
        tick(*other);
        tick(*other);
    }};
    first.join();
    EXPECT_TRUE(dumps(DumpPhase::end).empty());
    tick_until_the_end(*lease);
    EXPECT_EQ(dumps(DumpPhase::end).front().worker, lease->id());
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 600u);
}

TEST_F(Dump, AWorkerThatIsGivenBackHalfWayWhileTheOnlyOtherOneEndsLeavesItToTheNext) {
    recording().set_enabled(false);
    WorkerLease lease = telemetry.worker();
    dump_half_way(*lease);
    Held other{EventId::WorkerStopped, [this] { const WorkerLease worker = telemetry.worker(); }};
    const std::uint32_t generation = detail::Process::get().generation();
    lease = {};
    EXPECT_EQ(detail::Process::get().generation(), generation) << "all schedulers would dump once more, this one not";
    other.end();
    EXPECT_TRUE(dumps(DumpPhase::end).empty());
    const WorkerLease next = telemetry.worker();
    tick_until_the_end(*next);
    EXPECT_EQ(dumps(DumpPhase::end).front().worker, next->id());
    EXPECT_EQ(told().size(), 600u);
    EXPECT_EQ(told_tids().size(), 600u);
}

TEST_F(Dump, AWorkerThatIsTakenAfterTheTracerCameTellsOfTheTasksBefore) {
    recording().set_enabled(false);
    {
        const WorkerLease first = telemetry.worker();
        spawn(*first);
    }
    start_session();
    const WorkerLease second = telemetry.worker();
    tick_until_the_end(*second);
    EXPECT_EQ(told().size(), 1u);
}

TEST_F(Dump, AWorkerThatNoticesTheTracerInALongRunLeavesTheListToOneThatTicks) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease);
    std::atomic<int> stage{0};
    std::thread runner{[&] {
        const WorkerLease other = telemetry.worker();
        stage = 1;
        while (stage != 2)
            std::this_thread::yield();
        const Worker::Tick long_run{*other, task};
        stage = 3;
        while (stage != 4)
            std::this_thread::yield();
    }};
    while (stage != 1)
        std::this_thread::yield();
    start_session();
    stage = 2;
    while (stage != 3)
        std::this_thread::yield();
    for (int i = 0; i < 3; ++i)
        tick(*lease);
    const auto ends = dumps(DumpPhase::end);
    stage = 4;
    runner.join();
    EXPECT_EQ(dumps(DumpPhase::begin).size(), 2u);
    EXPECT_EQ(told_tids(), std::set{task.tid()});
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_EQ(ends.front().worker, lease->id());
    EXPECT_EQ(dumps(DumpPhase::end).size(), 1u) << "given back, it leaves nothing open";
}

TEST_F(Dump, AForeignThreadListsNothing) {
    recording().set_enabled(false);
    std::thread foreign{[&] {
        Worker& worker = telemetry.here();
        TaskTimes& task = spawn(worker);
        start_session();
        worker.running(task);
    }};
    foreign.join();
    EXPECT_EQ(row.calls, 0);
    EXPECT_EQ(told().size(), 1u) << "of the task that had an event";
    EXPECT_TRUE(dumps(DumpPhase::end).empty());
}

TEST_F(Dump, AThreadThatGetsItsLoopAfterTheTracerCameTellsOfTheTasksBefore) {
    recording().set_enabled(false);
    std::thread foreign{[&] {
        Worker& worker = telemetry.here();
        spawn(worker);
        TaskTimes& task = spawn(worker);
        start_session();
        worker.running(task);  // notices the tracer, and lists nothing
        EXPECT_TRUE(dumps(DumpPhase::end).empty());
        const WorkerLease lease = telemetry.worker();
        EXPECT_EQ(&*lease, &worker);
        tick_until_the_end(*lease);
    }};
    foreign.join();
    EXPECT_EQ(told_tids().size(), 2u);
    EXPECT_EQ(dumps(DumpPhase::end).size(), 1u);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 1u) << "the other one was told of before its event";
}

TEST_F(Dump, TellsOfTheGroupsBeforeItsTasksThoughAnotherWorkerStandsStillWithThem) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    spawn(*lease);
    telemetry.group("reads");
    start_session();
    Held other{EventId::Group, [this] { const WorkerLease worker = telemetry.worker(); }};
    tick_until_the_end(*lease);
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerDumped, EventId::WorkerDumped,
                                              EventId::Group, EventId::State, EventId::WorkerDumped}));
}

}  // namespace
}  // namespace tiffany::testing
