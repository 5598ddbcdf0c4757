// State dumps: a tracer that comes late is told of every live task, a few at a tick.

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <thread>

#include "dump.hpp"
#include "kept.hpp"
#include "telemetry/process.hpp"

namespace tiffany::testing {
namespace {

TEST_F(Dump, TellsOfEachTaskAllThatIsKnown) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    Worker& worker = *lease;
    const std::uint16_t group = telemetry.group("reads");
    TaskTimes& sleeper = row.tasks.emplace_back();
    worker.spawned(sleeper, {.name = "sleeper", .site = {"dir/file.cpp", 7}, .priority = 3, .group = group});
    worker.running(sleeper);
    clock.advance(50);
    worker.sleep(sleeper, 1'000'000);
    TaskTimes& dependent = row.tasks.emplace_back();
    worker.spawned(dependent, {.name = "dependent", .waiting = true});
    clock.advance(700);
    start_session();
    tick_until_the_end(worker);
    const auto tasks = told();
    ASSERT_EQ(tasks.size(), 2u);
    EXPECT_EQ(tasks[0].worker, worker.id());
    EXPECT_EQ(tasks[0].tid, sleeper.tid());
    EXPECT_EQ(tasks[0].step, 3u);
    EXPECT_EQ(tasks[0].state, static_cast<std::uint8_t>(TaskState::Sleeping));
    EXPECT_EQ(tasks[0].waited, static_cast<std::uint8_t>(WaitKind::sleep));
    EXPECT_STREQ(tasks[0].name, "sleeper");
    EXPECT_STREQ(tasks[0].site, "file.cpp:7");
    EXPECT_EQ(tasks[0].priority, 3u);
    EXPECT_EQ(tasks[0].group, group);
    EXPECT_EQ(tasks[0].age_ns, 700u);
    EXPECT_EQ(tasks[1].state, static_cast<std::uint8_t>(TaskState::Waiting));
    EXPECT_EQ(tasks[1].waited, static_cast<std::uint8_t>(WaitKind::dependency));
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 2u);
    EXPECT_EQ(dumps(DumpPhase::end).front().generation, dumps(DumpPhase::begin).front().generation);
}

TEST_F(Dump, OfNoTaskHasAnEndToo) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    start_session();
    tick_until_the_end(*lease);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 0u);
    EXPECT_TRUE(told().empty());
}

TEST_F(Dump, TellsOfAtMost256TasksATickAndOfEachOnce) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 2'000; ++i)
        spawn(*lease);
    start_session();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    std::size_t before = 0;
    std::size_t most = 0;
    while (dumps(DumpPhase::end).empty()) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        tick(*lease);
        const std::size_t now = told().size();
        most = std::max(most, now - before);
        before = now;
    }
    EXPECT_EQ(most, 256u);
    EXPECT_EQ(told().size(), 2'000u);
    EXPECT_EQ(told_tids().size(), 2'000u);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 2'000u);
}

TEST_F(Dump, GoesOnWhileTheWorkerParksAndAsksItToComeBackSoon) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 1'000; ++i)
        spawn(*lease);
    EXPECT_EQ(lease->longest_park_ns(), 1'000'000'000u);
    start_session();
    const auto deadline = std::chrono::steady_clock::now() + 60s;
    bool hurried = false;
    while (dumps(DumpPhase::end).empty()) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        lease->park();
        hurried = hurried || lease->longest_park_ns() == 512'000u;
        lease->unpark();
    }
    EXPECT_TRUE(hurried);
    EXPECT_EQ(told_tids().size(), 1'000u);
    EXPECT_EQ(lease->longest_park_ns(), 1'000'000'000u);
}

TEST_F(Dump, TellsOfNoTaskThatHasEnded) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& ended = spawn(*lease);
    lease->running(ended);
    lease->done(ended);
    row.tasks.emplace_back();  // not spawned yet
    const TaskTimes& live = spawn(*lease);
    start_session();
    tick_until_the_end(*lease);
    EXPECT_EQ(told_tids(), std::set{live.tid()});
}

TEST_F(Dump, ATaskIsToldOfBeforeItsNextEventThoughItsTurnHasNotCome) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease, "early");
    clock.advance(30);
    start_session();
    tick(*lease);  // the dump has begun, and told of nothing
    lease->running(task);
    const auto ids = recording().ids();
    EXPECT_EQ(ids, (std::vector{EventId::WorkerDumped, EventId::State, EventId::TaskRunning}));
    EXPECT_EQ(told().front().step, 1u);
    EXPECT_EQ(told().front().state, static_cast<std::uint8_t>(TaskState::Ready));
    EXPECT_EQ(told().front().age_ns, 30u);
    lease->yield(task);
    EXPECT_EQ(told().size(), 1u) << "once in a generation";
    tick_until_the_end(*lease);
    EXPECT_EQ(told().size(), 1u);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 1u) << "all that this worker told of since the begin";
}

TEST_F(Dump, WhatATaskIsInWhenItIsToldOfBeforeAnEvent) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    Worker& worker = *lease;
    std::array<TaskTimes, 3> tasks;
    for (TaskTimes& task : tasks) {
        worker.spawned(task, {.name = "t"});
        worker.running(task);
    }
    worker.wait(tasks[1], WaitReason::lock, 1);
    worker.iowait(tasks[2], 5);
    clock.advance(90);
    start_session();
    tick(worker);
    worker.yield(tasks[0]);
    worker.ready(tasks[1], WakeCause::event);
    worker.cancelled(tasks[2], CancelCause::destroyed);
    const auto seen = told();
    ASSERT_EQ(seen.size(), 3u);
    EXPECT_EQ(seen[0].state, static_cast<std::uint8_t>(TaskState::Running));
    EXPECT_EQ(seen[1].state, static_cast<std::uint8_t>(TaskState::Waiting));
    EXPECT_EQ(seen[1].waited, static_cast<std::uint8_t>(WaitKind::wait));
    EXPECT_EQ(seen[2].waited, static_cast<std::uint8_t>(WaitKind::iowait));
    for (const tiffany_dump_task& task : seen)
        EXPECT_EQ(task.age_ns, 90u);
}

TEST_F(Dump, ATaskThatTheTracerSawBeginIsNotToldOf) {
    const WorkerLease lease = telemetry.worker();
    start_session();
    tick_until_the_end(*lease);
    TaskTimes& task = spawn(*lease);
    lease->running(task);
    EXPECT_TRUE(told().empty());
}

TEST_F(Dump, ASecondTracerIsToldOfAllAgain) {
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 10; ++i)
        spawn(*lease);
    start_session();
    tick_until_the_end(*lease);
    start_session();
    tick_until_the_end(*lease, 2);
    EXPECT_EQ(told().size(), 20u);
    EXPECT_EQ(told_tids().size(), 10u);
    EXPECT_GT(dumps(DumpPhase::end)[1].generation, dumps(DumpPhase::end)[0].generation);
}

TEST_F(Dump, ANewGenerationBeginsAnUnfinishedDumpAnew) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    dump_half_way(*lease);
    start_session();
    tick_until_the_end(*lease);
    EXPECT_EQ(dumps(DumpPhase::begin).size(), 2u);
    EXPECT_EQ(dumps(DumpPhase::end).size(), 1u);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 600u);
    EXPECT_EQ(told().size(), 856u);
}

TEST_F(Dump, EndsSilentlyWhenNobodyListensAnyMore) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 600; ++i)
        spawn(*lease);
    start_session();
    tick(*lease);
    recording().set_enabled(false);
    tick(*lease);
    const int calls = row.calls;
    tick(*lease);
    EXPECT_EQ(row.calls, calls);
    start_session();
    tick_until_the_end(*lease);
    EXPECT_EQ(dumps(DumpPhase::end).front().tasks, 600u);
}

TEST_F(Dump, WithoutAListATaskIsToldOfBeforeItsNextEventAndThereIsNoEnd) {
    telemetry.list_tasks_by(nullptr);
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease);
    spawn(*lease);
    start_session();
    for (int i = 0; i < 10; ++i)
        tick(*lease);
    EXPECT_TRUE(told().empty());
    lease->running(task);
    EXPECT_EQ(told().size(), 1u);
    EXPECT_TRUE(dumps(DumpPhase::end).empty());
}

TEST_F(Dump, ThatLosesItsListHalfWayHasNoEndAndIsOver) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    dump_half_way(*lease);
    ASSERT_TRUE(detail::Process::get().is_dumping());
    telemetry.list_tasks_by(nullptr);
    while (lease->is_dumping())
        lease->park();
    EXPECT_EQ(told().size(), 256u);
    EXPECT_TRUE(dumps(DumpPhase::end).empty()) << "of 344 tasks nobody was told";
    EXPECT_FALSE(detail::Process::get().is_dumping());
}

TEST_F(Dump, TheAgeIsUnknownOfAStateThatBeganWhenNothingListened) {
    SchedulerTelemetry unmeasured{"unmeasured", {.metrics = false, .clock = &clock}};
    unmeasured.list_tasks_by(&row);
    recording().set_enabled(false);
    const WorkerLease lease = unmeasured.worker();
    spawn(*lease);
    start_session();
    tick_until_the_end(*lease);
    ASSERT_EQ(told().size(), 1u);
    EXPECT_EQ(told().front().age_ns, 0u);
}

TEST_F(Dump, TasksThatRunMeanwhileAreToldOfInAStateThatTheyWereIn) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    TaskTimes& task = spawn(*lease);
    std::atomic<bool> stop{false};
    std::thread runner{[&] {
        const WorkerLease other = telemetry.worker();
        while (!stop) {  // step 2n: Running, 2n + 1: Ready
            other->running(task);
            other->yield(task);
        }
    }};
    for (std::size_t i = 1; i <= 200; ++i) {
        recording().clear();
        start_session();
        tick_until_the_end(*lease);
        for (const tiffany_dump_task& seen : told())
            EXPECT_EQ(seen.state,
                      static_cast<std::uint8_t>(seen.step % 2 == 0 ? TaskState::Running : TaskState::Ready));
    }
    stop = true;
    runner.join();
}

TEST_F(Dump, AForkedChildListsWhatItInherited) {
    const WorkerLease lease = telemetry.worker();
    const std::uint64_t tid = spawn(*lease, "inherited").tid();
    recording().clear();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        for (int i = 0; i < 1'000 && dumps(DumpPhase::end).empty(); ++i) {
            tick(*lease);
            std::this_thread::sleep_for(1ms);
        }
        const auto ends = dumps(DumpPhase::end);
        if (ends.size() != 1 || ends.front().tasks != 1) _exit(1);
        _exit(told_tids() == std::set{tid} && ends.front().worker == lease->id() ? 0 : 2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(told().empty()) << "the parent has no new listener";
}

// ---- through a sink ----

TEST_F(Dump, ASinkThatIsInstalledLateIsToldOfAllWhateverItsRingHolds) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    for (int i = 0; i < 3'000; ++i)
        spawn(*lease);
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, {.ring_bytes = 16'384, .poll = 1ms, .flush_timeout = 60s});
    EXPECT_TRUE(eventually([&] {
        tick(*lease);
        const auto dumped = sink->of("WorkerDumped");
        return !dumped.empty() && dumped.back().number("phase") == static_cast<std::uint64_t>(DumpPhase::end);
    }));
    const auto states = sink->of("State");
    EXPECT_EQ(states.size(), 3'000u);
    EXPECT_EQ(sink->of("WorkerDumped").back().number("tasks"), 3'000u);
    EXPECT_TRUE(uninstall_sink());
    EXPECT_EQ(sink_stats().lost_others, 0u);
}

}  // namespace
}  // namespace tiffany::testing
