// What happens at the bounds: no index left for a worker, a consumer that is dead.

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <memory>
#include <semaphore>
#include <thread>
#include <tiffany/telemetry/detail/lttng_patience.hpp>

#include "kept.hpp"
#include "recorded.hpp"
#include "telemetry/process.hpp"

namespace tiffany::testing {

using namespace detail;

namespace {

/// CPUs that this thread may use.
std::vector<int> cpus() {
    cpu_set_t set;
    sched_getaffinity(0, sizeof set, &set);
    std::vector<int> found;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
    return found;
}

/// Keeps this thread on one CPU.
class OnCpu {
  public:
    explicit OnCpu(int cpu) {
        sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
    ~OnCpu() { sched_setaffinity(0, sizeof before_, &before_); }
    OnCpu(const OnCpu&) = delete;
    OnCpu& operator=(const OnCpu&) = delete;

  private:
    cpu_set_t before_;
};

/// Another listener, which has nothing to do with LTTng.
struct WithSink {
    WithSink() { install_sink(kept, kPatient); }
    ~WithSink() { uninstall_sink(); }
    WithSink(const WithSink&) = delete;
    WithSink& operator=(const WithSink&) = delete;
    std::shared_ptr<Kept> kept = std::make_shared<Kept>();
};

class Limits : public Recorded {
  protected:
    static void SetUpTestSuite() { setenv("LTTNG_UST_ALLOW_BLOCKING", "1", 1); }
};

TEST_F(Limits, PastTheLastWorkerHooksFireNothingAndAreCounted) {
    recording().set_enabled(false);
    constexpr std::size_t kThreads = 512;  // a thread looks through its own, one by one
    constexpr std::size_t kEach = 128;     // together exactly as many as there are indices
    const auto make = [] { return std::make_unique<SchedulerTelemetry>("s", TelemetryOptions{.metrics = false}); };
    std::vector<std::vector<std::unique_ptr<SchedulerTelemetry>>> schedulers(kThreads);
    std::binary_semaphore taken{0};
    std::latch looked{1}, last_may_end{1};
    std::vector<std::thread> threads;
    for (auto& mine : schedulers) {
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < kEach; ++i) {
                mine.push_back(make());
                mine.back()->here();
            }
            taken.release();
            (&mine == &schedulers.back() ? last_may_end : looked).wait();
        });
        taken.acquire();  // one after the other: the youngest, which goes first, is found at once
    }

    TaskTimes task;
    {
        const auto one_too_many = make();
        one_too_many->here().spawned(task, {.name = "t"});
        EXPECT_EQ(refused_hooks(), 1u);
        EXPECT_NE(task.tid(), 0u) << "a task is named, though nobody sees it";
        EXPECT_EQ(one_too_many->transitions(), 0u);
        // several threads share what they get then: ticks and parks must not make it a worker
        const auto tick_and_hook = [&] {
            Worker& refused = one_too_many->here();
            TaskTimes mine;
            for (int i = 0; i < 10; ++i) {
                const Worker::Tick tick{refused, mine};
                refused.running(mine);
                refused.park();
                refused.unpark();
            }
        };
        std::thread second{tick_and_hook};
        tick_and_hook();
        second.join();
        EXPECT_EQ(refused_hooks(), 21u);
        const pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) _exit(refused_hooks() == 0 ? 0 : 1);
        int status = 0;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        EXPECT_EQ(status, 0) << "a forked child counts from 0";
    }
    schedulers.back().pop_back();
    last_may_end.count_down();
    threads.back().join();
    threads.pop_back();
    {
        const auto again = make();
        again->here().running(task);
        EXPECT_EQ(refused_hooks(), 21u) << "an index that was given back is used again";
        EXPECT_EQ(again->transitions(), 1u);
    }
    looked.count_down();
    for (std::thread& thread : threads)
        thread.join();
    while (!schedulers.empty())
        schedulers.pop_back();
}

// LTTNG_UST_ALLOW_BLOCKING was set before the first scheduler of this program, so each call is timed.
class Blocked : public Limits {
  protected:
    Blocked() {
        begin_session();
        worker_->spawned(task_, {.name = "t"});
    }
    void begin_session() {
        start_session();
        notice();
    }
    /// A worker with a loop looks who listens in its ticks.
    void notice() { const Worker::Tick tick{*worker_, task_}; }
    /// An event that waits for so long.
    void run_for(std::uint64_t block_ns) {
        recording().block_ns = block_ns;
        worker_->running(task_);
        recording().block_ns = 0;
    }
    void run_early(int times) {
        for (int i = 0; i < times; ++i)
            worker_->running(task_);
    }
    /// How many of so many runs reach LTTng.
    std::size_t reach(int times) {
        const std::size_t before = recording().of(EventId::TaskRunning).size();
        run_early(times);
        return recording().of(EventId::TaskRunning).size() - before;
    }

    SchedulerTelemetry telemetry_{"blocked", {.metrics = false}};
    TaskTimes task_;
    WorkerLease worker_ = telemetry_.worker();
};

constexpr std::uint64_t kLong = 1'100'000'000;  // two of them are too much
constexpr int kProof = LttngPatience::kProof;

TEST_F(Blocked, AWorkerWhoseLttngCallsBlockTooLongStopsCallingAndCounts) {
    run_for(kLong);
    EXPECT_EQ(worker_->lttng_left_out(), 0u);
    run_for(kLong);
    EXPECT_EQ(reach(2), 0u);
    EXPECT_EQ(worker_->lttng_left_out(), 2u);
    begin_session();
    EXPECT_EQ(reach(1), 1u) << "a new session is a new chance";
}

TEST_F(Blocked, AFewThatStillFitInAFullRingForgiveNothing) {
    const OnCpu stays{cpus().front()};
    run_for(kLong);
    run_early(kProof - 1);
    run_for(kLong);
    EXPECT_EQ(reach(1), 0u);
}

TEST_F(Blocked, ARingThatWasFullAndHasRoomForgives) {
    const OnCpu stays{cpus().front()};
    run_for(kLong);
    run_early(4 * kProof);
    run_for(kLong);
    EXPECT_EQ(reach(1), 1u);
    run_for(kLong);
    EXPECT_EQ(reach(1), 0u);
}

TEST_F(Blocked, RoomInTheRingOfAnotherCpuForgivesNothing) {
    if (cpus().size() < 2) GTEST_SKIP() << "one CPU";
    {
        const OnCpu first{cpus()[0]};
        run_for(kLong);
    }
    const OnCpu second{cpus()[1]};
    run_for(20'000'000);
    run_early(4 * kProof);  // explains the short wait alone
    run_for(kLong);
    EXPECT_EQ(reach(1), 0u);
}

// SIGSTOP, a debugger: LTTng goes on with the 100 ms that it waits for, and counts no more.
TEST_F(Blocked, AProgramThatStoodStillInAWaitHasNotWaitedForTheConsumer) {
    recording().poll_ns = 3'000'000'000;
    run_for(2 * kLong);
    recording().poll_ns = Recording{}.poll_ns;
    EXPECT_EQ(reach(1), 1u);
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    EXPECT_EQ(reach(1), 0u);
}

/// Another worker that has no CPU in the middle of an event, since when enough was written for all to wait for it.
class InTheMiddle {
  public:
    InTheMiddle() { call_.since = 1 - 2 * LttngCalls::kRoomBytes; }
    ~InTheMiddle() { LttngCalls::leave(call_); }
    InTheMiddle(const InTheMiddle&) = delete;
    InTheMiddle& operator=(const InTheMiddle&) = delete;

  private:
    LttngCall& call_ = *Process::get().lttng_calls().of(64);
};

constexpr int kMany = 1'000;  // enough for a worker to look at the others

TEST_F(Blocked, WhoHasWaitedInVainForAnotherWorkerCallsNoMoreUntilThatIsDone) {
    {
        const InTheMiddle other;
        EXPECT_LT(reach(kMany), static_cast<std::size_t>(kMany));
        const std::uint64_t left_out = worker_->lttng_left_out();
        recording().block_ns = kLong;  // of which it would wait for nine, if it called
        EXPECT_EQ(reach(9), 0u);
        recording().block_ns = 0;
        EXPECT_EQ(worker_->lttng_left_out(), left_out + 9);
    }
    EXPECT_EQ(reach(kMany), static_cast<std::size_t>(kMany));
}

TEST_F(Limits, WhoStopsWhileAnotherWorkerIsInTheMiddleOfAnEventTellsHowManyAreMissing) {
    SchedulerTelemetry telemetry{"blocked", {.metrics = false}};
    const InTheMiddle other;
    {
        const WorkerLease worker = telemetry.worker();
        start_session();
        TaskTimes task;
        worker->spawned(task, {.name = "t"});
        for (int i = 0; i < kMany; ++i)
            worker->running(task);
        EXPECT_GT(worker->lttng_left_out(), 0u);
        recording().clear();
    }
    EXPECT_EQ(recording().ids(), std::vector{EventId::WorkerStopped});
    recording().clear();
    const WorkerLease next = telemetry.worker();  // the same index
    TaskTimes task;
    next->spawned(task, {.name = "t"});
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::TaskSpawned}))
        << "it has not looked at the others yet";
}

TEST_F(Limits, WhoClosesASchedulerWaitsInVainForTheLastWordsOfAllItsWorkersTogether) {
    auto telemetry = std::make_unique<SchedulerTelemetry>("idle");
    start_session();
    std::vector<WorkerLease> leases;  // of threads that have ended: others' own tell when they do
    for (int i = 0; i < 3; ++i)
        std::thread{[&] { leases.push_back(telemetry->worker()); }}.join();
    recording().clear();
    recording().block_ns = LttngPatience::kGiveUpNs + 100'000'000;
    telemetry.reset();
    recording().block_ns = 0;
    EXPECT_EQ(recording().ids(), std::vector{EventId::WorkerStopped});
    const LttngCall& call = *Process::get().lttng_calls().of(static_cast<std::uint16_t>(leases[0]->id()));
    EXPECT_EQ(call.thread, gettid()) << "who told it";
    std::uint64_t left_out = 0;
    for (const MetricsSnapshot& each : named_snapshots())
        if (each.scheduler == "idle") left_out += each.lttng_left_out;
    EXPECT_EQ(left_out, 2u);
    start_session();  // in which nothing is known of the consumer
}

TEST_F(Limits, WhoClosesASchedulerDoesNotHoldAgainstTheConsumerWhatAnIdleWorkerWaitedForInAnEarlierSession) {
    auto telemetry = std::make_unique<SchedulerTelemetry>("idle", TelemetryOptions{.metrics = false});
    start_session();
    Worker& worker = telemetry->here();
    TaskTimes task;
    worker.spawned(task, {.name = "t"});
    recording().block_ns = LttngPatience::kGiveUpNs + 100'000'000;
    worker.running(task);
    recording().block_ns = 0;
    worker.done(task);
    EXPECT_EQ(worker.lttng_left_out(), 1u) << "it has given up";
    start_session();
    recording().clear();
    recording().block_ns = 20'000'000;  // which is a wait, and no long one
    telemetry.reset();
    recording().block_ns = 0;
    EXPECT_EQ(recording().ids(), std::vector{EventId::WorkerStopped});
    Process& process = Process::get();
    EXPECT_FALSE(process.dead_consumer().is_found(process.lttng_sessions()));
}

/// A scheduler that comes and goes: what of it reached LTTng, and how many of its events were left out.
struct Came {
    std::vector<EventId> told;
    std::uint64_t left_out;
};
Came come_and_go() {
    const std::size_t before = recording().ids().size();
    Came came{{}, 0};
    {
        SchedulerTelemetry telemetry{"later", {.metrics = false}};
        const WorkerLease worker = telemetry.worker();
        TaskTimes task;
        worker->spawned(task, {.name = "t"});
        worker->running(task);
        worker->done(task);
        came.left_out = worker->lttng_left_out();
    }
    const std::vector<EventId> all = recording().ids();
    came.told.assign(all.begin() + static_cast<std::ptrdiff_t>(before), all.end());
    return came;
}
const std::vector kAll{EventId::WorkerStarted, EventId::TaskSpawned, EventId::TaskRunning, EventId::TaskDone,
                       EventId::WorkerStopped};
const std::vector kWords{EventId::WorkerStarted, EventId::WorkerStopped};

TEST_F(Blocked, WhoBeginsAfterAnotherHasGivenTheConsumerUpDoesNotWaitForItAnew) {
    EXPECT_EQ(come_and_go().told, kAll);
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    const Came came = come_and_go();
    EXPECT_EQ(came.told, kWords) << "by which it is known how many are missing";
    EXPECT_EQ(came.left_out, 3u);
    begin_session();
    EXPECT_EQ(come_and_go().told, kAll) << "a new session is a new chance";
}

TEST_F(Blocked, WhereAWorkersFirstAndLastWordWaitInVainTheNextOnesDoNot) {
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    recording().block_ns = kLong;
    EXPECT_EQ(come_and_go().told, kWords);
    const Came came = come_and_go();
    EXPECT_TRUE(came.told.empty());
    EXPECT_EQ(came.left_out, 4u);
    recording().block_ns = 0;
    begin_session();
    EXPECT_EQ(come_and_go().told, kAll);
}

TEST_F(Blocked, AFullRingThatHasRoomAgainShowsWhoBeginsThenThatTheConsumerLives) {
    const OnCpu stays{cpus().front()};
    SchedulerTelemetry beside{"beside", {.metrics = false}};
    const WorkerLease worker = beside.worker();
    TaskTimes task;
    worker->spawned(task, {.name = "t"});
    recording().block_ns = 20'000'000;
    worker->running(task);
    recording().block_ns = 0;
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    EXPECT_EQ(come_and_go().told, kWords);
    for (int i = 0; i < 4 * kProof; ++i)
        worker->running(task);
    EXPECT_EQ(come_and_go().told, kAll);
    EXPECT_EQ(reach(1), 0u) << "who gave it up goes on so until the next session";
}

TEST_F(Blocked, RoomWhereTheWaitWasShortShowsWhoBeginsThenNothingWhileALongOneIsUnexplained) {
    const OnCpu stays{cpus().front()};
    SchedulerTelemetry beside{"beside", {.metrics = false}};
    const WorkerLease worker = beside.worker();
    TaskTimes task;
    worker->spawned(task, {.name = "t"});
    recording().block_ns = kLong;
    worker->note(task, "key", "value");  // in another ring
    recording().block_ns = 20'000'000;
    worker->running(task);
    recording().block_ns = 0;
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    for (int i = 0; i < 4 * kProof; ++i)
        worker->running(task);
    EXPECT_EQ(come_and_go().told, kWords);
}

TEST_F(Blocked, AnotherListenerThatComesIsNoNewChance) {
    for (int i = 0; i < 2; ++i)
        run_for(kLong);
    const std::size_t fired = recording().ids().size();
    for (int i = 0; i < 2; ++i) {
        const WithSink sink;
        notice();
        run_early(1);
        EXPECT_TRUE(flush_sink());
        EXPECT_FALSE(sink.kept->of("Running").empty()) << "it was noticed";
    }
    EXPECT_EQ(recording().ids().size(), fired);
    // nor do the next looks take what was given up for a listener that has come
    const std::uint32_t generation = Process::get().generation();
    for (const auto until = std::chrono::steady_clock::now() + 300ms; std::chrono::steady_clock::now() < until;)
        notice();
    EXPECT_EQ(Process::get().generation(), generation);
}

TEST_F(Blocked, AnotherListenerThatComesForgivesNothing) {
    run_for(kLong);
    const WithSink sink;
    notice();
    run_early(1);  // which tells of the task as well
    run_for(kLong);
    EXPECT_EQ(reach(1), 0u);
}

TEST_F(Limits, WhereThereIsStillRoomInAnotherChannelTheDeadConsumerIsFoundAllTheSame) {
    SchedulerTelemetry telemetry{"blocked", {.metrics = false}};
    TaskTimes task;
    {
        const WorkerLease worker = telemetry.worker();
        start_session();
        worker->spawned(task, {.name = "t"});
        for (int i = 0; i < 3; ++i) {
            recording().block_ns = 700'000'000;
            worker->running(task);
            recording().block_ns = 0;
            worker->note(task, "key", "value");  // no transition: it returns early
        }
        worker->running(task);
        EXPECT_EQ(worker->lttng_left_out(), 2u) << "a note and a run, after 2.1 s";
        recording().clear();
    }
    EXPECT_EQ(recording().ids(), std::vector{EventId::WorkerStopped}) << "it tells how many are missing";
}

TEST_F(Limits, TicksThatBlockTooLongAreLeftOutToo) {
    recording().set_enabled(false);
    recording().ticks_enabled = true;
    SchedulerTelemetry telemetry{"blocked", {.metrics = false}};
    TaskTimes task;
    Worker& worker = telemetry.here();
    worker.spawned(task, {.name = "t"});
    recording().block_ns = 700'000'000;
    for (int i = 0; i < 2; ++i)
        const Worker::Tick tick{worker, task};  // four calls
    recording().block_ns = 0;
    EXPECT_EQ(recording().of(EventId::TickBegin).size(), 2u);
    EXPECT_EQ(recording().of(EventId::TickEnd).size(), 1u) << "2.1 s in a row were enough";
    EXPECT_EQ(worker.lttng_left_out(), 1u);
    recording().statedump();
    { const Worker::Tick again{worker, task}; }
    EXPECT_EQ(recording().of(EventId::TickBegin).size(), 3u) << "a new session is a new chance";
}

}  // namespace
}  // namespace tiffany::testing
