// Coroutines of Boost.Asio as tasks: strands, pools, loops and threads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <cstddef>
#include <latch>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <vector>

#include "asio_kit.hpp"
#include "told.hpp"

namespace asio_kit {
namespace {

TEST_F(AsioTest, StrandsAndThreadPoolsRunTasks) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::thread_pool pool{2};
        const auto strand = asio::make_strand(pool);
        for (int i = 0; i < 20; ++i) {
            tiffany::asio::co_spawn(strand, telemetry, {.name = "on a strand"}, sleep_for(100us), detached);
            tiffany::asio::co_spawn(pool, telemetry, {.name = "in a pool"}, sleep_for(100us), detached);
        }
        pool.join();
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_EQ(run.tasks().size(), 40u);
    for (const TaskLife& life : run.tasks())
        EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
}

/// Counts where it was off its strand after all that a task awaits.
template <typename Strand>
awaitable<void> stay_on(Strand strand, Telemetry& telemetry, std::atomic<int>& off) {
    const auto look = [&] {
        if (!strand.running_in_this_thread()) ++off;
    };
    look();
    for (int i = 0; i < 10; ++i) {
        co_await sleep_for(10us);
        look();
        const int sum =
            co_await tiffany::asio::co_spawn(strand, telemetry, {.name = "child"}, add(i, 1), use_awaitable);
        EXPECT_EQ(sum, i + 1);
        look();
        co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
        look();
    }
}

// any_io_executor::target() of Boost 1.74 gives whatever is held as whatever is asked for
TEST_F(AsioTest, ATaskOfAStrandStaysOnIt) {
    std::atomic<int> off{0};
    Telemetry telemetry{"asio"};
    asio::thread_pool pool{2};
    asio::io_context context;
    const auto spawn_two = [&](auto strand) {
        for (int i = 0; i < 2; ++i)
            tiffany::asio::co_spawn(strand, telemetry, {.name = "on a strand"}, stay_on(strand, telemetry, off),
                                    detached);
    };
    for (int i = 0; i < 4; ++i) {
        spawn_two(asio::make_strand(pool));
        spawn_two(asio::make_strand(context));
    }
    std::thread second{[&] { context.run(); }};
    context.run();
    second.join();
    pool.join();
    EXPECT_EQ(off, 0);
}

/// What tasks do to each other in a server: sleep, give way, join, wait for what another thread sets.
awaitable<void> work(Telemetry& telemetry, asio::thread_pool& outside, int times) {
    const auto executor = co_await asio::this_coro::executor;
    for (int i = 0; i < times; ++i) {
        co_await sleep_for(std::chrono::microseconds{i});
        co_await asio::post(executor, use_awaitable);
        const int sum =
            co_await tiffany::asio::co_spawn(executor, telemetry, {.name = "child"}, add(i, 1), use_awaitable);
        EXPECT_EQ(sum, i + 1);
        Gate gate;  // set by another thread, perhaps before the initiation has returned
        co_await gate.wait([&] { asio::post(outside, [&] { gate.set(); }); });
    }
    if (times % 5 == 0) throw std::runtime_error{"torn"};
}

TEST_F(AsioTest, SeveralThreadsKeepEachLifeLegal) {
    constexpr int kTasks = 40;
    for (const bool with_loop : {false, true}) {
        const ScopedSink sink;
        {
            Telemetry telemetry{"asio"};
            asio::io_context context;
            asio::thread_pool outside{1};  // still in a post to the context when that has run out of work
            for (int i = 0; i < kTasks; ++i)
                tiffany::asio::co_spawn(context, telemetry, {.name = "worker"}, work(telemetry, outside, 10 + i % 5),
                                        detached);
            std::vector<std::jthread> threads(4);
            for (std::jthread& thread : threads)
                thread = std::jthread{[&] { with_loop ? tiffany::asio::run(context, telemetry) : context.run(); }};
            threads.clear();
            outside.join();
        }
        const Recording run = sink.recording();
        EXPECT_THAT(run, LifecycleIsLegal());
        EXPECT_THAT(run, RunsOneAtATime());
        EXPECT_THAT(run, WorkersAreWhole());
        EXPECT_THAT(run, TicksAreNested());
        EXPECT_THAT(run, ParksEnd());
        std::size_t failed = 0;
        for (const TaskLife& life : run.tasks()) {
            failed += life.steps.back().info->name == "Failed";
            EXPECT_THAT(std::string{life.steps.back().info->name}, testing::AnyOf("Done", "Failed"));
        }
        EXPECT_EQ(failed, 8u);
    }
}

TEST_F(AsioTest, ALoopTellsOfTicksAndParks) {
    // a thread that loses the CPU for the time of a sleep finds it over, and does not park: hardly each time
    constexpr int kSleeps = 5;
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        const auto sleeper = []() -> awaitable<void> {
            for (int i = 0; i < kSleeps; ++i)
                co_await sleep_for(10ms);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleeper, detached);
        EXPECT_GE(tiffany::asio::run(context, telemetry), 1u + kSleeps);
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, TicksAreNested());
    EXPECT_THAT(run, ParksEnd());
    std::size_t ticks = 0;
    std::size_t parks = 0;
    for (const tiffany::pal::Record& record : run.records()) {
        ticks += record.info->id == tiffany::EventId::TickBegin;
        parks += record.info->id == tiffany::EventId::ParkBegin;
    }
    EXPECT_EQ(ticks, 1u + kSleeps);
    EXPECT_GE(parks, 1u);
}

/// One thread is still in the initiation when the other resumes the task, and has left it when it ends there: that run
/// was told nowhere, so the end gets one, and a tick.
TEST_F(AsioTest, AnEndInARunThatWasNotToldHasATick) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        Gate gate;
        std::latch resumed{1};
        std::latch released{1};
        const auto resume_elsewhere = [&] {
            std::jthread{[&] { gate.set(); }}.join();
            resumed.wait();
            asio::post(context, [&] { released.count_down(); });  // this thread's next: the other one waits for it
        };
        const auto task = [&]() -> awaitable<void> {
            // by reference: what the coroutine holds is gone when it has been resumed
            co_await gate.wait(std::ref(resume_elsewhere));
            resumed.count_down();
            released.wait();
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "task"}, task, detached);
        const std::jthread other{[&] { tiffany::asio::run(context, telemetry); }};
        tiffany::asio::run(context, telemetry);
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run.task("task"), EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Done"));
    EXPECT_EQ(check_ticks(run, true), std::vector<std::string>{});
    EXPECT_THAT(run, RunsOneAtATime());
}

/// A task runs another context to its end, on its own thread.
TEST_F(AsioTest, ALoopWithinALoopLeavesTheOuterOneItsTicksAndParks) {
    const ScopedSink sink;
    {
        Telemetry outer{"outer"};
        Telemetry inner{"inner"};
        asio::io_context context;
        const auto host = [&]() -> awaitable<void> {
            asio::io_context within;
            tiffany::asio::co_spawn(within, inner, {.name = "guest"}, sleep_for(1ms), detached);
            tiffany::asio::run(within, inner);
            co_await sleep_for(5ms);
        };
        tiffany::asio::co_spawn(context, outer, {.name = "host"}, host, detached);
        tiffany::asio::run(context, outer);
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_THAT(run, TicksAreNested());
    EXPECT_THAT(run, ParksEnd());
    EXPECT_THAT(run.task("host"), EventsAre("Spawned", "Running", "Yield", "Running", "Yield", "Running", "Sleep",
                                            "Ready", "Running", "Done"));
    EXPECT_THAT(run.task("guest"), EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
}

/// It sleeps all the time, so it has no event by which it would be told of.
TEST_F(AsioTest, ATracerThatComesLateIsToldOfATaskThatSleeps) {
    Telemetry telemetry{"asio"};
    asio::io_context context;
    tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(1h), detached);
    context.poll();
    const ScopedSink sink;
    std::jthread loop{[&] { tiffany::asio::run(context, telemetry); }};
    bool told = false;
    for (int i = 0; i < 10'000 && !told; ++i) {
        std::this_thread::sleep_for(1ms);
        const Recording so_far = sink.recording();
        for (const tiffany::pal::Record& record : so_far.records())
            told = told || (record.info->id == tiffany::EventId::State && record.text("name") == "sleeper");
    }
    context.stop();
    EXPECT_TRUE(told);
}

}  // namespace
}  // namespace asio_kit
