// The in-process sink: what it is told, in which order, and what becomes of what it is not told.

#include "kept.hpp"

#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <latch>
#include <stdexcept>

namespace tiffany::testing {
namespace {

using ::testing::ElementsAre;

class SinkTest : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }
    ~SinkTest() override {
        sink->open();
        uninstall_sink();
    }

    std::shared_ptr<Kept> sink = std::make_shared<Kept>();
};

// a minute: on a busy machine nothing here may run out of time
constexpr SinkOptions kTiny{.ring_bytes = 4096, .poll = 1ms, .flush_timeout = 60s};

std::uint64_t wall_ns() {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count());
}

TEST_F(SinkTest, AWorkersEventsComeInTheirOrderWithTheirValues) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"pool", {.clock = &clock}};
    install_sink(sink, kPatient);
    TaskTimes task;
    std::uint64_t worker_id = 0;
    std::uint64_t before = 0;
    {
        const WorkerLease worker = telemetry.worker();
        worker_id = worker->id();
        before = worker->seq();
        const std::uint16_t group = telemetry.group("readers");
        worker->spawned(task,
                        {.name = "read", .site = Site{"dir/file.cpp", 12}, .priority = 3, .group = group, .parent = 5});
        clock.advance(10);
        worker->running(task);
        clock.advance(20);
        worker->sleep(task, 1000);
        clock.advance(1001);
        worker->ready(task, WakeCause::timer, 0, 1);
        worker->running(task);
        worker->park();
        worker->unpark();
        worker->failed(task, "no such file");
    }
    ASSERT_TRUE(flush_sink());
    ASSERT_THAT(sink->names(), ElementsAre("WorkerStarted", "Group", "Spawned", "Running", "Sleep", "Ready", "Running",
                                           "ParkBegin", "ParkEnd", "Failed", "WorkerStopped"));
    const pal::Record started = sink->of("WorkerStarted").at(0);
    EXPECT_EQ(started.text("scheduler"), "pool");
    EXPECT_EQ(started.pid, static_cast<std::uint32_t>(getpid()));
    EXPECT_EQ(started.seq, before);
    EXPECT_EQ(started.worker, pal::WorkerId::from_event(worker_id));
    const pal::Record spawned = sink->of("Spawned").at(0);
    EXPECT_EQ(spawned.seq, before + 1);
    EXPECT_EQ(spawned.tid, task.tid());
    EXPECT_EQ(spawned.step, 1u);
    EXPECT_EQ(spawned.text("name"), "read");
    EXPECT_EQ(spawned.text("site"), "file.cpp:12");
    EXPECT_EQ(spawned.number("priority"), 3u);
    EXPECT_EQ(spawned.number("parent"), 5u);
    EXPECT_EQ(spawned.number("group"), 1u);
    EXPECT_EQ(spawned.ts_ns, 1u) << "a virtual clock's time is its own";
    const pal::Record sleep = sink->of("Sleep").at(0);
    EXPECT_EQ(sleep.number("run_ns"), 20u);
    EXPECT_EQ(sleep.number("dur_ns"), 1000u);
    EXPECT_EQ(sleep.ts_ns, 31u);
    EXPECT_EQ(sink->of("Running").at(1).number("wait_ns"), 1001u);
    EXPECT_EQ(sink->of("Failed").at(0).text("error"), "no such file");
    EXPECT_EQ(sink->of("WorkerStopped").at(0).seq, before + 6);
}

TEST_F(SinkTest, ANoteComesBetweenItsTasksTransitionsAndCountsInNoSeq) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"pool", {.clock = &clock}};
    install_sink(sink, kPatient);
    TaskTimes task;
    {
        const WorkerLease worker = telemetry.worker();
        const std::uint64_t before = worker->seq();
        worker->spawned(task, {.name = "request"});
        worker->note(task, "trace", "4bf92f");  // by whoever spawns it, before it is published
        worker->running(task);
        clock.advance(7);
        worker->note(task, "tenant", "");
        worker->done(task);
        EXPECT_EQ(worker->seq(), before + 3);
        EXPECT_EQ(task.step(), 3u);
    }
    ASSERT_TRUE(flush_sink());
    ASSERT_THAT(sink->names(),
                ElementsAre("WorkerStarted", "Spawned", "Note", "Running", "Note", "Done", "WorkerStopped"));
    const pal::Record trace = sink->of("Note").at(0);
    EXPECT_EQ(trace.tid, task.tid());
    EXPECT_EQ(trace.worker, sink->of("Running").at(0).worker);
    EXPECT_EQ(trace.text("key"), "trace");
    EXPECT_EQ(trace.text("value"), "4bf92f");
    const pal::Record tenant = sink->of("Note").at(1);
    EXPECT_EQ(tenant.text("value"), "");
    EXPECT_EQ(tenant.ts_ns, 8u) << "the clock begins at 1";
    EXPECT_TRUE(sink->gaps().empty());
}

TEST_F(SinkTest, ANotesTextIsCutAtACharacterAndIsUtf8) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kPatient);
    Worker& worker = telemetry.here();
    TaskTimes task;
    worker.spawned(task, {});
    worker.note(task, std::string(30, 'k') + "\u00e4", std::string(126, 'v') + "\u00e4");  // a byte too long
    worker.note(task, std::string(31, 'k') + 'k', std::string(127, 'v') + 'v');
    worker.note(task, "a\xff", std::string_view{"b\0c", 3});
    ASSERT_TRUE(flush_sink());
    const std::vector<pal::Record> notes = sink->of("Note");
    ASSERT_EQ(notes.size(), 3u);
    EXPECT_EQ(notes[0].text("key"), std::string(30, 'k'));
    EXPECT_EQ(notes[0].text("value"), std::string(126, 'v'));
    EXPECT_EQ(notes[1].text("key"), std::string(31, 'k'));
    EXPECT_EQ(notes[1].text("value"), std::string(127, 'v'));
    EXPECT_EQ(notes[2].text("key"), "a\uFFFD");
    EXPECT_EQ(notes[2].text("value"), "b\uFFFDc");
}

TEST_F(SinkTest, AForeignThreadsNoteTakesUpALateSinkAndTellsOfItsTaskFirst) {
    SchedulerTelemetry telemetry{"s"};
    Worker& worker = telemetry.here();
    TaskTimes task;
    worker.spawned(task, {.name = "before"});
    worker.running(task);
    std::thread{[&] { install_sink(sink, kPatient); }}.join();
    worker.note(task, "trace", "1");  // no hook in between
    worker.done(task);
    ASSERT_TRUE(flush_sink());
    EXPECT_THAT(sink->names(), ElementsAre("WorkerDumped", "State", "Note", "Done"));
    const pal::Record dumped = sink->of("WorkerDumped").at(0);
    EXPECT_EQ(dumped.seq, worker.seq() - 1) << "a note takes no seq: the next transition has one more";
    const pal::Record state = sink->of("State").at(0);
    EXPECT_EQ(state.number("state"), static_cast<std::uint64_t>(TaskState::Running)) << "a note moves nothing";
    EXPECT_EQ(state.step, 2u);
    EXPECT_EQ(sink->stretch_of(worker).lost, 0u);
}

TEST_F(SinkTest, ANoteThatDoesNotFitIsCountedAndMakesNoGap) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kTiny);
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    worker->spawned(task, {});
    const std::uint64_t lost_before = sink_stats().lost_others;
    sink->close();
    worker->note(task, "first", "");
    ASSERT_TRUE(eventually([&] { return sink->in_call(); }));
    for (int i = 0; i < 100; ++i)
        worker->note(task, "more", "");
    sink->open();
    ASSERT_TRUE(flush_sink());
    const std::uint64_t lost = sink_stats().lost_others - lost_before;
    EXPECT_EQ(sink->of("Note").size() + lost, 101u);
    EXPECT_GT(lost, 70u) << "4096 bytes hold 21 notes";
    EXPECT_TRUE(sink->gaps().empty());
}

TEST_F(SinkTest, AHookThatTellsOfItsWorkerDoesNotAskTheKernelForThePid) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kPatient);
    const auto pid = static_cast<std::uint32_t>(getpid());
    std::uint32_t asked = 0;
    // a filter is its thread's alone, and goes with it
    std::thread{[&] {
        std::array<sock_filter, 4> rules{{BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
                                          BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
                                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
                                          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)}};
        const sock_fprog filter{rules.size(), rules.data()};
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0)
            return;
        asked = static_cast<std::uint32_t>(getpid());
        const WorkerLease worker = telemetry.worker();
        live(*worker);
    }}.join();
    if (asked == 0) GTEST_SKIP() << "no filter of system calls here";
    ASSERT_NE(asked, pid) << "the filter works";
    ASSERT_TRUE(flush_sink());
    EXPECT_EQ(sink->of("WorkerStarted").at(0).pid, pid);
}

TEST_F(SinkTest, ARecordsTimeIsTheTimeOfDay) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kPatient);
    const WorkerLease worker = telemetry.worker();
    const std::uint64_t before = wall_ns();
    live(*worker);
    const std::uint64_t after = wall_ns();
    ASSERT_TRUE(flush_sink());
    constexpr std::uint64_t kNear = 50'000'000;  // the scale of the clock, and steps of the time of day
    std::uint64_t last = 0;
    for (const auto& entry : sink->entries()) {
        EXPECT_GE(entry.record.ts_ns, last);
        last = entry.record.ts_ns;
    }
    EXPECT_GE(sink->of("Spawned").at(0).ts_ns + kNear, before);
    EXPECT_LE(sink->of("Done").at(0).ts_ns, after + kNear);
}

TEST_F(SinkTest, WhatDoesNotFitIsAnExactGap) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kTiny);
    const WorkerLease worker = telemetry.worker();
    const std::uint64_t before = worker->seq();
    for (int burst = 0; burst < 5; ++burst) {
        sink->close();
        live(*worker);
        ASSERT_TRUE(eventually([&] { return sink->in_call(); }));
        for (int i = 0; i < 1000; ++i)
            live(*worker);
        sink->open();
        ASSERT_TRUE(flush_sink());
    }
    const Kept::Stretch told = sink->stretch_of(*worker);
    EXPECT_EQ(told.first, before + 1);
    EXPECT_EQ(told.last, worker->seq()) << "the tail is told by a flush";
    EXPECT_EQ(told.delivered + told.lost, 5u * 1001 * 3);
    EXPECT_GT(told.lost, 5u * 900 * 3) << "4096 bytes hold less than 70 events";
    EXPECT_GT(told.delivered, 5u * 20);
}

TEST_F(SinkTest, WhatWasDroppedAtTheEndOfABurstIsToldThoughNothingFollows) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kTiny);
    const WorkerLease worker = telemetry.worker();
    const std::uint64_t lost_before = sink_stats().lost;
    sink->close();
    live(*worker);
    ASSERT_TRUE(eventually([&] { return sink->in_call(); }));
    for (int i = 0; i < 1000; ++i)
        live(*worker);
    sink->open();
    // no flush, and the worker keeps quiet
    ASSERT_TRUE(eventually([&] { return sink->stretch_of(*worker).last == worker->seq(); }));
    const Kept::Stretch told = sink->stretch_of(*worker);
    EXPECT_GT(told.lost, 900u * 3);
    EXPECT_EQ(told.delivered + told.lost, 1001u * 3);
    ASSERT_TRUE(eventually([&] { return sink_stats().lost - lost_before == told.lost; }));
}

TEST_F(SinkTest, AFullRingStillTellsWhereItsWorkerEnded) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kTiny);
    for (std::size_t more = 0; more < 40; ++more) {  // the ring is full at each of its places
        std::uint64_t last = 0;
        {
            const WorkerLease worker = telemetry.worker();
            sink->close();
            live(*worker);
            ASSERT_TRUE(eventually([&] { return sink->in_call(); }));
            for (std::size_t i = 0; i < 100 + more; ++i)
                live(*worker);
            last = worker->seq();
        }
        sink->open();
        ASSERT_TRUE(flush_sink());
        ASSERT_EQ(sink->names().back(), "WorkerStopped");
        ASSERT_EQ(sink->of("WorkerStopped").back().seq, last);
        ASSERT_EQ(sink->gaps().back().to_seq, last);
    }
    EXPECT_EQ(sink->stretches().size(), 1u) << "the worker was taken again, and its seq went on";
}

TEST_F(SinkTest, TheEndOfASchedulerDeliversAllOfIt) {
    install_sink(sink, {.poll = 10s, .flush_timeout = 60s});
    for (int i = 0; i < 3; ++i) {
        SchedulerTelemetry telemetry{"s"};
        live(telemetry.here());
        std::thread{[&] { live(telemetry.here()); }}.join();
    }
    const auto stopped = sink->of("WorkerStopped");
    EXPECT_EQ(stopped.size(), 6u);
    EXPECT_EQ(sink->of("Done").size(), 6u);
}

TEST_F(SinkTest, AWorkerThatIsGivenBackIsToldWithoutAFlush) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kTiny);
    std::thread{[&] { live(telemetry.here()); }}.join();
    EXPECT_TRUE(eventually([&] { return !sink->of("WorkerStopped").empty(); }));
}

TEST_F(SinkTest, ASinkThatComesLateBeginsWithADumpAndMissesNothingAfterIt) {
    SchedulerTelemetry telemetry{"late"};
    const WorkerLease worker = telemetry.worker();
    live(*worker);
    const std::uint64_t position = worker->seq();
    std::thread{[&] { install_sink(sink, kPatient); }}.join();
    TaskTimes task;
    { const Worker::Tick tick{*worker, task}; }
    live(*worker);
    std::thread{[&] { live(telemetry.here()); }}.join();
    ASSERT_TRUE(flush_sink());
    const pal::Record dumped = sink->of("WorkerDumped").at(0);
    EXPECT_EQ(dumped.seq, position);
    EXPECT_EQ(dumped.text("scheduler"), "late");
    const Kept::Stretch told = sink->stretch_of(*worker);
    EXPECT_EQ(told.first, position + 1);
    EXPECT_EQ(told.delivered, 3u);
    EXPECT_EQ(told.lost, 0u) << "what fired before was not lost";
    EXPECT_EQ(sink->of("Done").size(), 2u);
}

TEST_F(SinkTest, AWorkerOfTheThreadThatInstallsBeginsAtOnce) {
    SchedulerTelemetry telemetry{"s"};
    const WorkerLease worker = telemetry.worker();
    live(*worker);
    install_sink(sink, kPatient);
    live(*worker);  // no tick in between
    ASSERT_TRUE(flush_sink());
    EXPECT_THAT(sink->names(), ElementsAre("WorkerDumped", "Spawned", "Running", "Done"));
}

TEST_F(SinkTest, AForeignThreadsWorkerBeginsAtItsNextHook) {
    SchedulerTelemetry telemetry{"s"};
    Worker& worker = telemetry.here();
    live(worker);
    install_sink(sink, kPatient);
    live(worker);
    ASSERT_TRUE(uninstall_sink());
    live(worker);
    auto second = std::make_shared<Kept>();
    install_sink(second, kPatient);
    live(worker);
    ASSERT_TRUE(uninstall_sink());
    EXPECT_EQ(sink->stretch_of(worker).delivered, 3u);
    EXPECT_EQ(second->stretch_of(worker).delivered, 3u);
    EXPECT_EQ(second->stretch_of(worker).first, sink->stretch_of(worker).last + 4);
    EXPECT_TRUE(second->gaps().empty());
}

TEST_F(SinkTest, UninstallDeliversWhatFiredAndLetsGoOfTheSink) {
    SchedulerTelemetry telemetry{"s"};
    Worker& worker = telemetry.here();
    install_sink(sink, {.poll = 10s, .flush_timeout = 60s});
    live(worker);
    EXPECT_TRUE(uninstall_sink());
    EXPECT_EQ(sink->of("Done").size(), 1u);
    EXPECT_EQ(sink.use_count(), 1);
    EXPECT_TRUE(uninstall_sink()) << "none is installed";
}

TEST_F(SinkTest, SinksComeAndGoWhileThreadsRun) {
    SchedulerTelemetry first{"first"};
    SchedulerTelemetry second{"second", {.metrics = false}};
    std::atomic<bool> end{false};
    constexpr std::size_t kThreads = 4;
    std::latch ready{kThreads + 1};
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            SchedulerTelemetry& telemetry = i % 2 == 0 ? first : second;
            {
                const WorkerLease worker = telemetry.worker();
                ready.arrive_and_wait();
                TaskTimes task;
                while (!end) {
                    { const Worker::Tick tick{*worker, task}; }
                    live(*worker);
                    live(*worker);
                }
            }
            live(telemetry.here());
        });
    ready.arrive_and_wait();
    std::uint64_t told = 0;
    const SinkStats before = sink_stats();
    for (int round = 0; round < 20; ++round) {
        auto mine = std::make_shared<Kept>();
        install_sink(mine,
                     round % 2 == 0 ? kTiny : SinkOptions{.ring_bytes = 1 << 16, .poll = 1ms, .flush_timeout = 60s});
        ASSERT_TRUE(eventually([&] { return mine->stretches().size() == kThreads; })) << round;
        ASSERT_TRUE(uninstall_sink());
        for (const auto& [worker, stretch] : mine->stretches()) {
            EXPECT_EQ(stretch.delivered + stretch.lost, stretch.last - stretch.first + 1);
            told += stretch.delivered + stretch.lost;
        }
        ASSERT_FALSE(HasFailure()) << round;
    }
    end = true;
    for (std::thread& thread : threads)
        thread.join();
    const SinkStats after = sink_stats();
    EXPECT_EQ(after.transitions + after.lost - before.transitions - before.lost, told);
}

TEST_F(SinkTest, WhatFiredBeforeUninstallIsToldToTheLast) {
    SchedulerTelemetry telemetry{"s"};
    for (int round = 0; round < 20; ++round) {
        auto mine = std::make_shared<Kept>();
        install_sink(mine, kTiny);
        std::atomic<std::uint64_t> fired{0};
        std::atomic<bool> end{false};
        std::uint64_t began = 0;
        std::uint64_t id = 0;
        std::thread thread{[&] {
            Worker& worker = telemetry.here();
            began = worker.seq();
            id = worker.id();
            while (!end) {
                live(worker);
                fired.store(worker.seq(), std::memory_order_release);
            }
        }};
        ASSERT_TRUE(eventually([&] { return fired.load() > 1000; }));
        const std::uint64_t at_least = fired.load(std::memory_order_acquire);
        ASSERT_TRUE(uninstall_sink());
        end = true;
        thread.join();
        const Kept::Stretch told = mine->stretches()[pal::WorkerId::from_event(id)];
        EXPECT_EQ(told.first, began + 1);
        EXPECT_GE(told.last, at_least);
        EXPECT_EQ(told.delivered + told.lost, told.last - began);
    }
}

TEST_F(SinkTest, ASinkThatThrowsIsCountedAndGoesOn) {
    struct Thrower : Kept {
        void record(const pal::Record& record) override {
            if (record.info->name == "Running") throw std::runtime_error{"no"};
            Kept::record(record);
        }
        void caught_up() override { throw 1; }
    };
    const auto thrower = std::make_shared<Thrower>();
    SchedulerTelemetry telemetry{"s"};
    const SinkStats before = sink_stats();
    install_sink(thrower, kPatient);
    const WorkerLease worker = telemetry.worker();
    live(*worker);
    live(*worker);
    ASSERT_TRUE(uninstall_sink());
    const SinkStats after = sink_stats();
    EXPECT_THAT(thrower->names(), ElementsAre("WorkerStarted", "Spawned", "Done", "Spawned", "Done"));
    EXPECT_EQ(after.refused_transitions - before.refused_transitions, 2u);
    EXPECT_GE(after.refused - before.refused, 3u);
    EXPECT_EQ(after.transitions - before.transitions, 4u);
    EXPECT_EQ(after.lost, before.lost) << "the sink had them: that is no gap";
}

TEST_F(SinkTest, ASinkThatStandsStillHoldsUpNobody) {
    SchedulerTelemetry telemetry{"s"};
    const SinkStats before = sink_stats();
    install_sink(sink, {.ring_bytes = 4096, .poll = 1ms, .flush_timeout = 20ms});
    const WorkerLease worker = telemetry.worker();
    const std::uint64_t began = worker->seq();
    sink->close();
    live(*worker);
    ASSERT_TRUE(eventually([&] { return sink->in_call(); }));
    for (int i = 0; i < 1000; ++i)
        live(*worker);
    EXPECT_FALSE(flush_sink());
    EXPECT_FALSE(uninstall_sink());
    auto next = std::make_shared<Kept>();
    install_sink(next, kPatient);
    TaskTimes task;
    { const Worker::Tick tick{*worker, task}; }
    live(*worker);
    EXPECT_TRUE(uninstall_sink());
    EXPECT_EQ(next->stretch_of(*worker).delivered, 3u) << "the next sink is not held up either";
    sink->open();
    EXPECT_TRUE(eventually([&] { return sink.use_count() == 1; })) << "it is let go of when its call returns";
    const SinkStats after = sink_stats();
    EXPECT_EQ(after.flushes_timed_out - before.flushes_timed_out, 2u);
    EXPECT_EQ(after.transitions + after.lost - before.transitions - before.lost, worker->seq() - began);
}

TEST_F(SinkTest, TicksComeOnlyWhenAskedFor) {
    SchedulerTelemetry telemetry{"s"};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    const auto tick = [&] { const Worker::Tick one{*worker, task}; };
    install_sink(sink, kPatient);
    tick();
    ASSERT_TRUE(uninstall_sink());
    EXPECT_THAT(sink->names(), ElementsAre("WorkerDumped"));
    auto with_ticks = std::make_shared<Kept>();
    install_sink(with_ticks, {.ticks = true});
    tick();
    ASSERT_TRUE(uninstall_sink());
    EXPECT_THAT(with_ticks->names(), ElementsAre("WorkerDumped", "TickBegin", "TickEnd"));
}

TEST_F(SinkTest, ASinksOwnCallCannotWaitForItself) {
    struct Meddler : Kept {
        void record(const pal::Record& record) override {
            went_well = went_well || uninstall_sink() || flush_sink();
            try {
                install_sink(std::make_shared<Kept>(), kPatient);
                went_well = true;
            } catch (const std::logic_error&) {
            }
            SchedulerTelemetry own{"own"};  // its events would tell of themselves, for ever
            live(own.here());
            Kept::record(record);
        }
        std::atomic<bool> went_well{false};
    };
    const auto meddler = std::make_shared<Meddler>();
    SchedulerTelemetry telemetry{"s"};
    install_sink(meddler, kPatient);
    live(telemetry.here());
    ASSERT_TRUE(uninstall_sink());
    EXPECT_FALSE(meddler->went_well);
    EXPECT_EQ(meddler->of("Spawned").size(), 1u);
}

TEST_F(SinkTest, NoSinkIsAnError) {
    EXPECT_THROW(install_sink(nullptr), std::invalid_argument);
}

// ---- fork ----

/// Runs `child` in a forked child and returns its exit status.
template <typename Child>
int in_a_child(const Child& child) {
    const pid_t pid = fork();
    if (pid == 0) _exit(child());
    int status = -1;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + status;
}

TEST_F(SinkTest, AForkedChildHasNoSinkAndTheParentGoesOn) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kPatient);
    const WorkerLease worker = telemetry.worker();
    live(*worker);
    EXPECT_EQ(in_a_child([&] {
                  TaskTimes task;
                  { const Worker::Tick tick{*worker, task}; }
                  for (int i = 0; i < 100; ++i)
                      live(*worker);
                  live(telemetry.here());
                  const SinkStats stats = sink_stats();
                  return flush_sink() && uninstall_sink() && stats.records == 0 && stats.lost == 0 ? 0 : 1;
              }),
              0);
    live(*worker);
    ASSERT_TRUE(uninstall_sink());
    EXPECT_EQ(sink->stretch_of(*worker).delivered, 6u);
    EXPECT_EQ(sink->stretches().size(), 1u);
    EXPECT_TRUE(sink->gaps().empty());
}

// The program's end, and the child's own sink: the child's threads come after a fork of a process with threads, which
// ThreadSanitizer does not follow.
#if !defined(__SANITIZE_THREAD__)
TEST_F(SinkTest, AForkedChildMayInstallItsOwn) {
    SchedulerTelemetry telemetry{"s"};
    install_sink(sink, kPatient);
    const WorkerLease worker = telemetry.worker();
    live(*worker);
    EXPECT_EQ(in_a_child([&] {
                  auto own = std::make_shared<Kept>();
                  install_sink(own, kPatient);
                  TaskTimes task;
                  { const Worker::Tick tick{*worker, task}; }
                  live(*worker);
                  const bool ended = uninstall_sink();
                  const Kept::Stretch told = own->stretch_of(*worker);
                  return ended && told.first == 1 && told.delivered == 3 ? 0 : 1;
              }),
              0);
}

TEST_F(SinkTest, TheEndOfTheProcessDeliversWhatFired) {
    struct Pipe : pal::Sink {
        explicit Pipe(int its_fd) : fd{its_fd} {}
        void record(const pal::Record& record) override {
            const std::string line = std::string{record.info->name} + '\n';
            if (write(fd, line.data(), line.size()) < 0) throw std::runtime_error{"cannot write"};
        }
        void gap(const pal::Gap&) override {}
        int fd;
    };
    int fds[2];
    ASSERT_EQ(pipe(fds), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        static SchedulerTelemetry telemetry{"s"};
        install_sink(std::make_shared<Pipe>(fds[1]), {.poll = 10s, .flush_timeout = 60s});
        live(telemetry.here());
        std::exit(0);
    }
    ::close(fds[1]);
    std::string told;
    char buffer[256];
    for (ssize_t got; (got = read(fds[0], buffer, sizeof buffer)) > 0;)
        told.append(buffer, static_cast<std::size_t>(got));
    ::close(fds[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(told, "WorkerStarted\nSpawned\nRunning\nDone\nWorkerStopped\n");
}
#endif

}  // namespace
}  // namespace tiffany::testing
