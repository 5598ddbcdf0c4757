// docs/instrumenting.md: what its event loop and its pool tell, and the wake that races with a suspension.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>

#include "event_loop.hpp"
#include "work_stealing.hpp"

namespace tiffany::testing {
namespace {

TEST(EventLoopPage, TellsWhatItDoesForEachDescriptor) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"event-loop"};
        example::EventLoop loop{telemetry};
        int pings = 0;
        loop.watch("answer", ends[0], [&] {
            char byte = 0;
            if (read(ends[0], &byte, 1) != 1) return true;
            return ++pings < 2;
        });
        std::jthread peer{[&] {
            for (int i = 0; i < 2; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds{5});
                EXPECT_EQ(write(ends[1], "p", 1), 1);
            }
        }};
        loop.run();
        EXPECT_EQ(pings, 2);
    }
    for (const int end : ends)
        close(end);
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_THAT(run, TicksAreNested());
    EXPECT_THAT(run, ParksEnd());
    const auto steps = run.task("answer").steps;
    ASSERT_GE(steps.size(), 6u);  // it runs once more if a wake finds nothing
    EXPECT_EQ(steps[2].info->name, "IoWait");
    EXPECT_EQ(steps[2].number("io"), static_cast<std::uint64_t>(ends[0]));
    EXPECT_EQ(steps[3].number("cause"), static_cast<std::uint64_t>(WakeCause::io));
    EXPECT_EQ(steps.back().info->name, "Done");
}

TEST(EventLoopPage, AnExceptionThatLeavesAStepFailsItsTaskAndNoOther) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    const ScopedSink sink;
    {
        SchedulerTelemetry telemetry{"event-loop"};
        example::EventLoop loop{telemetry};
        loop.watch("failing", ends[0], []() -> bool { throw std::runtime_error{"page 3 is torn"}; });
        loop.watch("short", ends[0], [] { return false; });
        EXPECT_THROW(loop.run(), std::runtime_error);
        loop.run();
    }
    for (const int end : ends)
        close(end);
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run.task("failing"), EventsAre("Spawned", "Running", "Failed"));
    EXPECT_EQ(run.task("failing").steps.back().text("error"), "page 3 is torn");
    EXPECT_THAT(run.task("short"), EventsAre("Spawned", "Running", "Done"));
}

TEST(WorkStealingPage, EachWakeThatRacesWithASuspensionIsOneReady) {
    constexpr int kJobs = 4;
    constexpr int kWaits = 500;
    const ScopedSink sink;
    {
        example::stealing::Pool pool{3};
        std::array<std::atomic<int>, kJobs> waits{};
        std::array<example::stealing::JobRef, kJobs> jobs;
        for (std::size_t i = 0; i < kJobs; ++i)
            jobs[i] = pool.spawn("waiter", [&waits, i] {
                if (waits[i] == kWaits) return example::stealing::Next::end;
                ++waits[i];
                return example::stealing::Next::wait;
            });
        std::jthread waker{[&] {
            // a wake for each wait, as early as it can come: just before, or just after, the job lies down
            for (int round = 1; round <= kWaits; ++round)
                for (std::size_t i = 0; i < kJobs; ++i) {
                    while (waits[i] < round)
                        std::this_thread::yield();
                    pool.wake(jobs[i]);
                }
        }};
        pool.run();
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    for (const auto& task : run.tasks()) {
        int readies = 0;
        for (const auto& step : task.steps)
            readies += std::string_view{step.info->name} == "Ready" ? 1 : 0;
        EXPECT_EQ(readies, kWaits);
    }
}

}  // namespace
}  // namespace tiffany::testing
