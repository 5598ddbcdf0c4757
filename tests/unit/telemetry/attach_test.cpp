// The on-word: how workers learn that somebody listens, and what they tell then.

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>

#include "kept.hpp"
#include "recorded.hpp"

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;

class Attach : public Recorded {
  protected:
    SchedulerTelemetry telemetry{"attach", {.metrics = false}};
    TaskTimes task;

    static void tick(Worker& worker, const TaskTimes& task) { const Worker::Tick one{worker, task}; }

    void tick_until_dumped(Worker& worker) {
        const auto deadline = std::chrono::steady_clock::now() + 20s;
        while (recording().of(EventId::WorkerDumped).empty()) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no dump";
            tick(worker, task);
        }
    }
    std::size_t dumps_within(std::chrono::milliseconds time, Worker& worker) {
        for (const auto end = std::chrono::steady_clock::now() + time; std::chrono::steady_clock::now() < end;)
            tick(worker, task);
        return recording().of(EventId::WorkerDumped).size();
    }
};

TEST_F(Attach, AWorkerTellsWhenItIsTakenAndGivenBack) {
    {
        const WorkerLease lease = telemetry.worker();
        lease->spawned(task, {.name = "t"});
    }
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::TaskSpawned, EventId::WorkerStopped}));
    const auto started = recording().last<tiffany_worker_started>(EventId::WorkerStarted);
    EXPECT_STREQ(started.scheduler, "attach");
    EXPECT_EQ(started.pid, static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(started.thread, static_cast<std::uint32_t>(gettid()));
    EXPECT_EQ(started.catalogue, catalogue::kVersion);
    EXPECT_EQ(started.seq + 1, recording().last<tiffany_task_spawned>(EventId::TaskSpawned).seq);
    EXPECT_EQ(recording().last<tiffany_worker_stopped>(EventId::WorkerStopped).seq, started.seq + 1);
}

TEST_F(Attach, NothingFiresWhileNobodyListensAndSeqGoesOn) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    const std::uint64_t before = lease->seq();
    lease->spawned(task, {.name = "t"});
    lease->running(task);
    EXPECT_TRUE(recording().ids().empty());
    EXPECT_EQ(lease->seq(), before + 2);
    EXPECT_EQ(task.step(), 2u);
    EXPECT_EQ(task.state(), TaskState::Running);
}

TEST_F(Attach, ANoteFiresForATracerAndForNobodyElse) {
    SchedulerTelemetry counted{"counted"};
    const WorkerLease lease = counted.worker();
    lease->spawned(task, {.name = "t"});
    lease->running(task);
    lease->note(task, "trace", "7");
    EXPECT_EQ(recording().ids(),
              (std::vector{EventId::WorkerStarted, EventId::TaskSpawned, EventId::TaskRunning, EventId::Note}));
    const auto note = recording().last<tiffany_note>(EventId::Note);
    EXPECT_EQ(note.worker, lease->id());
    EXPECT_EQ(note.tid, task.tid());
    EXPECT_STREQ(note.key, "trace");
    EXPECT_STREQ(note.value, "7");
    const std::uint64_t before = lease->seq();
    recording().set_enabled(false);
    tick(*lease, task);
    recording().clear();
    lease->note(task, "trace", "8");  // metrics alone take none
    EXPECT_TRUE(recording().ids().empty());
    EXPECT_EQ(lease->seq(), before);
    EXPECT_EQ(counted.transitions(), 2u);
    EXPECT_EQ(task.step(), 2u);
}

TEST_F(Attach, ASessionThatStartsIsSeenAtTheNextTickAndGetsADump) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    const std::uint64_t position = lease->seq();
    start_session();
    tick(*lease, task);
    const auto dump = recording().last<tiffany_dump_worker>(EventId::WorkerDumped);
    EXPECT_STREQ(dump.scheduler, "attach");
    EXPECT_EQ(dump.seq, position);
    EXPECT_EQ(dump.on_seq, position + 1) << "LTTng was off until now";
    EXPECT_EQ(dump.phase, static_cast<std::uint8_t>(DumpPhase::begin));
    lease->running(task);
    EXPECT_EQ(recording().last<tiffany_task_running>(EventId::TaskRunning).seq, position + 1);
}

TEST_F(Attach, ALoopThatTicksSilentlyLearnsWhoListensAsSoonAsOthers) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    const auto silent_ticks = [&] {
        constexpr int kMany = 1'000;
        for (int i = 0; i < kMany; ++i)
            if (!lease->ticks_silently()) return i;
        return kMany;
    };
    tick(*lease, task);
    EXPECT_LT(silent_ticks(), 64) << "a look is due, for what calls nobody";
    tick(*lease, task);
    EXPECT_EQ(lease->transitions(), 0u) << "a tick is no transition";
    start_session();
    EXPECT_FALSE(lease->ticks_silently());
    tick(*lease, task);
    EXPECT_FALSE(recording().of(EventId::WorkerDumped).empty());
    for (int i = 0; i < 100; ++i) {
        ASSERT_FALSE(lease->ticks_silently()) << "somebody listens";
        tick(*lease, task);
    }
}

TEST_F(Attach, ASecondSessionGetsADumpOfItsOwnWithTheOldOnSeq) {
    const WorkerLease lease = telemetry.worker();
    const std::uint64_t taken_at = lease->seq();
    lease->spawned(task, {.name = "t"});
    start_session();
    tick(*lease, task);
    const auto first = recording().last<tiffany_dump_worker>(EventId::WorkerDumped);
    start_session();
    tick(*lease, task);
    const auto second = recording().last<tiffany_dump_worker>(EventId::WorkerDumped);
    EXPECT_EQ(first.on_seq, taken_at + 1);
    EXPECT_EQ(second.on_seq, taken_at + 1) << "it was never off";
    EXPECT_GT(second.generation, first.generation);
}

TEST_F(Attach, NoDumpWithoutANewListener) {
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    tick(*lease, task);
    tick(*lease, task);
    EXPECT_TRUE(recording().of(EventId::WorkerDumped).empty());
}

TEST_F(Attach, EventsEnabledOnARunningSessionAreNoticedByLooking) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    recording().set_enabled(true);
    {
        const std::lock_guard lock{recording().mutex};
        ++recording().probes_hash;
    }
    tick_until_dumped(*lease);
    EXPECT_EQ(recording().last<tiffany_dump_worker>(EventId::WorkerDumped).seq, lease->seq());
}

// The hash stays: LTTng made the same lists at the same addresses again.
TEST_F(Attach, EventsSwitchedOffAndOnBetweenTwoLooksAreNoticed) {
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    recording().set_enabled(false);
    tick(*lease, task);
    recording().set_enabled(true);
    tick_until_dumped(*lease);
    EXPECT_EQ(recording().last<tiffany_dump_worker>(EventId::WorkerDumped).on_seq, lease->seq() + 1);
    EXPECT_EQ(dumps_within(300ms, *lease), 1u) << "once is enough";
}

TEST_F(Attach, TicksSwitchedOffAndOnBetweenTwoLooksAreNoticed) {
    recording().ticks_enabled = true;
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    recording().ticks_enabled = false;
    tick(*lease, task);
    recording().ticks_enabled = true;
    tick_until_dumped(*lease);
    EXPECT_FALSE(recording().of(EventId::TickBegin).empty());
}

TEST_F(Attach, AWorkerTakenWhileEventsAreOffBetweenTwoLooksIsNotForgotten) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    recording().set_enabled(true);
    tick_until_dumped(*lease);
}

TEST_F(Attach, EventsSwitchedOffAreNoNewListenerToTheOtherTracers) {
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, kPatient);
    tick(*lease, task);
    recording().set_enabled(false);
    {
        const std::lock_guard lock{recording().mutex};
        ++recording().probes_hash;
    }
    dumps_within(300ms, *lease);
    uninstall_sink();
    EXPECT_EQ(sink->of("WorkerDumped").size(), 1u) << "for the sink itself";
}

TEST_F(Attach, ASessionThatEndsIsDroppedAtTheNextTickWithoutADump) {
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    recording().set_enabled(false);
    tick(*lease, task);
    recording().clear();
    recording().set_enabled(true);  // without a callback: the worker still thinks it is off
    lease->running(task);
    EXPECT_TRUE(recording().ids().empty());
    start_session();
    tick(*lease, task);
    EXPECT_EQ(recording().last<tiffany_dump_worker>(EventId::WorkerDumped).on_seq, lease->seq() + 1);
}

TEST_F(Attach, LongTicksDelayALookNoMoreThanShortOnes) {
    recording().set_enabled(false);
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    const auto long_tick = [&] {
        std::this_thread::sleep_for(20ms);
        tick(*lease, task);
    };
    for (int i = 0; i < 10; ++i)
        long_tick();
    recording().set_enabled(true);
    {
        const std::lock_guard lock{recording().mutex};
        ++recording().probes_hash;
    }
    int ticks = 0;
    for (; recording().of(EventId::WorkerDumped).empty() && ticks < 100; ++ticks)
        long_tick();
    EXPECT_LE(ticks, 15) << "300 ms, or less if the machine is slow";
}

TEST_F(Attach, AForeignThreadSeesANewListenerAtItsNextHook) {
    recording().set_enabled(false);
    std::thread foreign{[&] {
        Worker& worker = telemetry.here();
        worker.spawned(task, {.name = "t"});
        start_session();
        worker.running(task);
    }};
    foreign.join();
    const auto dump = recording().last<tiffany_dump_worker>(EventId::WorkerDumped);
    const auto running = recording().last<tiffany_task_running>(EventId::TaskRunning);
    EXPECT_EQ(dump.seq + 1, running.seq) << "a dump's seq is a position";
    EXPECT_EQ(dump.on_seq, running.seq);
    EXPECT_EQ(dump.worker, running.worker);
}

TEST_F(Attach, AForeignThreadsWorkerIsReusedAndItsSeqGoesOn) {
    std::uint64_t ids[2];
    TaskTimes tasks[2];
    for (int i = 0; i < 2; ++i) {
        std::thread foreign{[&] {
            telemetry.here().spawned(tasks[i], {.name = "t"});
            ids[i] = telemetry.here().id();
        }};
        foreign.join();
    }
    EXPECT_EQ(ids[0], ids[1]);
    const auto started = recording().of(EventId::WorkerStarted);
    const auto stopped = recording().of(EventId::WorkerStopped);
    ASSERT_EQ(started.size(), 2u);
    ASSERT_EQ(stopped.size(), 2u);
    EXPECT_EQ(started[1].as<tiffany_worker_started>().seq, stopped[0].as<tiffany_worker_stopped>().seq);
    EXPECT_EQ(telemetry.transitions(), 2u);
}

TEST_F(Attach, AThreadHasOneWorkerOfAScheduler) {
    const WorkerLease lease = telemetry.worker();
    EXPECT_EQ(&telemetry.here(), &*lease);
    EXPECT_THROW(telemetry.worker(), std::logic_error);
}

TEST_F(Attach, AWorkerThatAHookTookIsLeasedLater) {
    Worker& hooked = telemetry.here();
    const WorkerLease lease = telemetry.worker();
    EXPECT_EQ(&hooked, &*lease);
}

TEST_F(Attach, WorkersOfTwoSchedulersOnOneThreadAreTwo) {
    SchedulerTelemetry other{"other"};
    EXPECT_NE(telemetry.here().id(), other.here().id());
    EXPECT_NE(&telemetry.here(), &other.here());
}

TEST_F(Attach, ALaterSchedulersWorkerGoesOnWithTheSeqOfItsIndex) {
    std::uint64_t id = 0;
    std::uint64_t seq = 0;
    {
        SchedulerTelemetry first{"first"};
        first.here().spawned(task, {.name = "t"});
        id = first.here().id();
        seq = first.here().seq();
    }
    SchedulerTelemetry second{"second"};
    EXPECT_EQ(second.here().id(), id);
    EXPECT_EQ(second.here().seq(), seq) << "(instance, worker, seq) names a transition once";
    EXPECT_EQ(second.transitions(), 0u);
}

TEST_F(Attach, GroupsAreToldAtRegistrationAndInEveryDump) {
    const std::uint16_t reads = telemetry.group("reads");
    EXPECT_EQ(telemetry.group("writes"), reads + 1);
    EXPECT_EQ(telemetry.group("reads"), reads) << "the same name gives the same number";
    EXPECT_EQ(recording().of(EventId::Group).size(), 2u);
    start_session();
    telemetry.here().park();
    const auto told = recording().of(EventId::Group);
    ASSERT_EQ(told.size(), 4u);
    EXPECT_STREQ(told[2].as<tiffany_scheduler_group>().name, "reads");
    EXPECT_EQ(told[2].as<tiffany_scheduler_group>().group, reads);
}

TEST_F(Attach, TheThirtySecondGroupIsTheDefaultOne) {
    for (int i = 1; i < 32; ++i)
        EXPECT_EQ(telemetry.group("g" + std::to_string(i)), i);
    EXPECT_EQ(telemetry.group("one too many"), 0u);
}

TEST_F(Attach, AForkedChildIsAnotherInstanceWhoseSeqStartsAtOne) {
    const WorkerLease lease = telemetry.worker();
    lease->spawned(task, {.name = "t"});
    lease->running(task);
    const std::uint64_t parent_instance = lease->id() >> 16;
    const std::uint64_t tid = task.tid();
    recording().clear();
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto fail_unless = [](bool good, int code) {
            if (!good) _exit(code);
        };
        lease->yield(task);
        const auto ids = recording().ids();
        const auto started = recording().last<tiffany_worker_started>(EventId::WorkerStarted);
        const auto dump = recording().last<tiffany_dump_worker>(EventId::WorkerDumped);
        const auto yield = recording().last<tiffany_task_yield>(EventId::TaskYield);
        const std::vector expected{EventId::WorkerStarted, EventId::WorkerDumped, EventId::State, EventId::TaskYield};
        fail_unless(ids == expected, 1);
        const auto inherited = recording().last<tiffany_dump_task>(EventId::State);
        fail_unless(inherited.tid == tid && inherited.step == 2 && std::string_view{inherited.name} == "t", 9);
        fail_unless(started.seq == 0 && started.pid == static_cast<std::uint32_t>(getpid()), 2);
        fail_unless(yield.seq == 1 && yield.worker == started.worker, 3);
        fail_unless((yield.worker >> 16) != parent_instance, 4);
        fail_unless(yield.tid == tid && yield.step == 3, 5);
        fail_unless(dump.seq == 0 && dump.on_seq == 1, 6);
        fail_unless(telemetry.transitions() == 1, 7);
        TaskTimes born;
        lease->spawned(born, {.name = "t"});
        fail_unless(born.tid() != tid, 8);
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
    EXPECT_EQ(lease->id() >> 16, parent_instance);
    EXPECT_TRUE(recording().ids().empty());
}

TEST_F(Attach, AForkedChildsNewWorkerStartsAtOneThoughItsIndexWasUsed) {
    {
        SchedulerTelemetry before{"before"};
        before.here().spawned(task, {.name = "t"});
    }
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        SchedulerTelemetry after{"after"};
        TaskTimes born;
        after.here().spawned(born, {.name = "t"});
        _exit(after.here().seq() == 1 ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "the parent's seq went on in another instance";
}

#if !defined(__SANITIZE_ADDRESS__)  // whose allocator, of g++ 12, a forked child may find locked for ever
TEST_F(Attach, AForkWhileThreadsTakeAndGiveWorkersHangsNobody) {
    std::atomic<bool> stop{false};
    std::thread busy{[&] {
        while (!stop) {
            std::thread{[&] {
                TaskTimes mine;
                telemetry.here().spawned(mine, {.name = "t"});
            }}.join();
        }
    }};
    for (int i = 0; i < 20; ++i) {
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            alarm(60);
            TaskTimes mine;
            telemetry.here().spawned(mine, {.name = "t"});
            _exit(telemetry.transitions() == 1 ? 0 : 1);
        }
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
    }
    stop = true;
    busy.join();
}
#endif

TEST_F(Attach, MetricsCountEveryTransitionThoughNobodyTraces) {
    recording().set_enabled(false);
    SchedulerTelemetry counted{"counted"};
    Worker& worker = counted.here();
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    worker.yield(task);
    worker.running(task);
    worker.done(task);
    EXPECT_EQ(counted.count(TaskEvent::Spawned), 1u);
    EXPECT_EQ(counted.count(TaskEvent::Running), 2u);
    EXPECT_EQ(counted.count(TaskEvent::Yield), 1u);
    EXPECT_EQ(counted.count(TaskEvent::Done), 1u);
    EXPECT_EQ(counted.transitions(), 5u);
}

TEST_F(Attach, TidsAreUniqueAcrossThreads) {
    constexpr int kEach = 3000;  // more than a block
    std::array<std::vector<std::uint64_t>, 4> tids;
    std::vector<std::thread> threads;
    for (auto& mine : tids)
        threads.emplace_back([&] {
            for (int i = 0; i < kEach; ++i) {
                TaskTimes born;
                telemetry.here().spawned(born, {.name = "t"});
                mine.push_back(born.tid());
            }
        });
    for (std::thread& thread : threads)
        thread.join();
    std::vector<std::uint64_t> all;
    for (const auto& mine : tids)
        all.insert(all.end(), mine.begin(), mine.end());
    std::sort(all.begin(), all.end());
    EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
    EXPECT_NE(all.front(), 0u);
}

}  // namespace
}  // namespace tiffany::testing
