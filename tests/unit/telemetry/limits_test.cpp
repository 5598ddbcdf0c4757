// What happens at the bounds: no index left for a worker, a consumer that is dead.

#include <sys/wait.h>
#include <unistd.h>

#include <latch>
#include <memory>
#include <semaphore>
#include <thread>

#include "recorded.hpp"

namespace tiffany::testing {
namespace {

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
    std::latch looked{1};
    std::vector<std::thread> threads;
    for (auto& mine : schedulers) {
        threads.emplace_back([&] {
            for (std::size_t i = 0; i < kEach; ++i) {
                mine.push_back(make());
                mine.back()->here();
            }
            taken.release();
            looked.wait();
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

TEST_F(Limits, AWorkerWhoseLttngCallsBlockTooLongStopsCallingAndCounts) {
    // LTTNG_UST_ALLOW_BLOCKING was set before the first scheduler of this program, so each call is timed
    SchedulerTelemetry telemetry{"blocked", {.metrics = false}};
    TaskTimes task;
    Worker& worker = telemetry.here();
    start_session();  // so that no look finds a new listener while calls block
    worker.spawned(task, {.name = "t"});
    recording().block_ns = 700'000'000;
    worker.running(task);
    recording().block_ns = 0;
    worker.yield(task);  // one that returns early forgives those before it
    recording().block_ns = 700'000'000;
    for (int i = 0; i < 2; ++i)
        worker.running(task);
    EXPECT_EQ(worker.lttng_left_out(), 0u);
    worker.running(task);  // 2.1 s in a row
    const std::size_t fired = recording().of(EventId::TaskRunning).size();
    worker.running(task);
    worker.running(task);
    EXPECT_EQ(recording().of(EventId::TaskRunning).size(), fired);
    EXPECT_EQ(worker.lttng_left_out(), 2u);
    recording().block_ns = 0;
    start_session();
    worker.running(task);
    EXPECT_EQ(recording().of(EventId::TaskRunning).size(), fired + 1) << "a new session is a new chance";
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
