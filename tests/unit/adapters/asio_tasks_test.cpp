// Coroutines of Boost.Asio as tasks: what they do to each other, and what wakes them that Asio does not know.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <boost/asio.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <vector>

#include "asio_kit.hpp"
#include "told.hpp"

namespace asio_kit {
namespace {

TEST_F(AsioTest, WhatATaskAwaitsWithoutASpawnIsPartOfIt) {
    int sum = 0;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "outer"},
            [&]() -> awaitable<void> { sum = co_await add(co_await add(1, 2), 3); }, detached);
    });
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(run.tasks().size(), 1u);
    EXPECT_THAT(run.task("outer"),
                EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Sleep", "Ready", "Running", "Done"));
}

TEST_F(AsioTest, TheAwaitOfASpawnedTaskIsAJoin) {
    int sum = 0;
    bool caught = false;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        const auto fail = []() -> awaitable<void> {
            co_await sleep_for(1ns);
            throw std::runtime_error{"no"};
        };
        const auto join = [&, fail]() -> awaitable<void> {
            const auto executor = co_await asio::this_coro::executor;
            sum = co_await tiffany::asio::co_spawn(executor, telemetry, {.name = "adder"}, add(1, 2), use_awaitable);
            try {
                co_await tiffany::asio::co_spawn(executor, telemetry, {.name = "failing"}, fail, use_awaitable);
            } catch (const std::runtime_error&) {
                caught = true;
            }
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "joiner"}, join, detached);
    });
    EXPECT_EQ(sum, 3);
    EXPECT_TRUE(caught);
    const TaskLife joiner = run.task("joiner");
    const TaskLife adder = run.task("adder");
    EXPECT_THAT(joiner,
                EventsAre("Spawned", "Running", "Join", "Ready", "Running", "Join", "Ready", "Running", "Done"));
    EXPECT_EQ(joiner.steps[2].number("target"), adder.tid);
    EXPECT_EQ(joiner.steps[3].number("cause"), number(WakeCause::join));
    EXPECT_EQ(joiner.steps[3].number("waker"), adder.tid);
    EXPECT_EQ(joiner.steps[5].number("target"), run.task("failing").tid);
    EXPECT_THAT(adder, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_EQ(adder.steps[0].number("parent"), joiner.tid);
}

/// Tasks that spawn their successors on their own executors: none hands on to another's.
TEST_F(AsioTest, ExecutorsDoNotPileUp) {
    std::function<awaitable<void>(Telemetry&, int)> successor;
    successor = [&](Telemetry& telemetry, int left) -> awaitable<void> {
        co_await sleep_for(1ns);
        if (left == 0) co_return;
        tiffany::asio::co_spawn(co_await asio::this_coro::executor, telemetry, {.name = left == 1 ? "last" : "one"},
                                successor(telemetry, left - 1), detached);
    };
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(context, telemetry, {.name = "first"}, successor(telemetry, 100), detached);
    });
    EXPECT_EQ(run.tasks().size(), 101u);
    for (const TaskLife& life : run.tasks())
        EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
}

TEST_F(AsioTest, ACallbackIsNoSuspension) {
    int called = 0;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "task"},
            [&]() -> awaitable<void> {
                asio::steady_timer timer{co_await asio::this_coro::executor, 1ms};
                timer.async_wait([&](const boost::system::error_code&) { ++called; });
                asio::post(co_await asio::this_coro::executor, [&] { ++called; });
                co_await sleep_for(5ms);
                EXPECT_EQ(called, 2);
                timer.expires_after(1ms);
                timer.async_wait([&](const boost::system::error_code&) { ++called; });
                co_await timer.async_wait(use_awaitable);
            },
            detached);
    });
    EXPECT_EQ(called, 3);
    EXPECT_THAT(run.task("task"),
                EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Sleep", "Ready", "Running", "Done"));
}

TEST_F(AsioTest, AThingThatAsioDoesNotKnowIsAWait) {
    Gate gate;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "waiter"},
            [&]() -> awaitable<void> {
                co_await gate.wait();
                co_await gate.wait();
            },
            detached);
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "setter"},
            [&]() -> awaitable<void> {
                gate.set();
                while (!gate.is_awaited())
                    co_await asio::post(use_awaitable);
                gate.set(true);
            },
            detached);
    });
    const TaskLife waiter = run.task("waiter");
    EXPECT_THAT(waiter,
                EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Wait", "Ready", "Running", "Done"));
    for (const std::size_t ready : {3, 6}) {
        EXPECT_EQ(waiter.steps[ready].number("cause"), number(WakeCause::event));
        EXPECT_EQ(waiter.steps[ready].number("waker"), run.task("setter").tid);
    }
    // the second time it is called from within the setter, which gave way to it
    const std::vector<tiffany::pal::Record> setter = run.task("setter").steps;
    EXPECT_EQ(setter.back().info->name, "Done");
    EXPECT_EQ(setter[setter.size() - 3].info->name, "Yield");
}

TEST_F(AsioTest, AThreadThatIsNoTasksWakesItFromOutside) {
    Gate gate;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "waiter"}, [&]() -> awaitable<void> { co_await gate.wait(); }, detached);
        context.poll();
        gate.set();
    });
    const TaskLife waiter = run.task("waiter");
    EXPECT_THAT(waiter, EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Done"));
    EXPECT_EQ(waiter.steps[3].number("cause"), number(WakeCause::external));
}

/// The waiter is resumed while it still runs, from within another task: what it does then is not the other's.
TEST_F(AsioTest, AResumptionThatOvertakesItsInitiationIsNoOtherTasks) {
    Gate first;
    Gate second;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "setter"},
            [&]() -> awaitable<void> {
                co_await first.wait();
                second.set(true);
            },
            detached);
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "waiter"},
            [&]() -> awaitable<void> {
                co_await second.wait([&] { first.set(true); });
                co_await sleep_for(1ms);
            },
            detached);
    });
    EXPECT_THAT(run.task("setter"), EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Done"));
    EXPECT_THAT(run.task("waiter"),
                EventsAre("Spawned", "Running", "Yield", "Running", "Wait", "Ready", "Running", "Done"));
}

/// Its end is told where its suspension would have been, once.
TEST_F(AsioTest, ATaskMayEndBeforeItsInitiationHasReturned) {
    Gate first;
    Gate second;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "setter"},
            [&]() -> awaitable<void> {
                co_await first.wait();
                second.set(true);
            },
            detached);
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "waiter"},
            [&]() -> awaitable<void> {
                co_await second.wait([&] { first.set(true); });
                throw std::runtime_error{"torn"};
            },
            detached);
    });
    EXPECT_THAT(run.task("waiter"), EventsAre("Spawned", "Running", "Yield", "Running", "Failed"));
    EXPECT_EQ(run.task("waiter").steps.back().text("error"), "torn");
}

/// Dropped without being called: Asio destroys the coroutine on its executor.
TEST_F(AsioTest, AHandlerThatIsDroppedDestroysItsTask) {
    auto gate = std::make_unique<Gate>();
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "waiter"}, [&]() -> awaitable<void> { co_await gate->wait(); }, detached);
        context.poll();
        gate.reset();
    });
    EXPECT_EQ(run.task("waiter").steps.back().info->name, "Cancelled");
}

TEST_F(AsioTest, APostToAnotherContextIsAWait) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        asio::io_context other;
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "traveller"},
            [&]() -> awaitable<void> { co_await asio::post(other, use_awaitable); }, detached);
        context.poll();
        other.run();
        context.restart();
        context.run();
    }
    EXPECT_THAT(sink.recording().task("traveller"),
                EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Done"));
}

/// A coroutine that is no task, on the executor of one.
TEST_F(AsioTest, APlainCoroutineOnATasksExecutorLeavesItsLifeLegal) {
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "task"},
            [&]() -> awaitable<void> {
                const auto executor = co_await asio::this_coro::executor;
                asio::co_spawn(executor, sleep_for(1ms), detached);
                asio::co_spawn(executor, add(1, 2), detached);
                co_await sleep_for(200ms);
                co_await asio::co_spawn(executor, sleep_for(1ms), use_awaitable);
            },
            detached);
    });
    const TaskLife life = run.task("task");
    EXPECT_EQ(life.steps[2].info->name, "Sleep");
    EXPECT_GT(step(life, TaskEvent::Sleep).number("dur_ns"), 1'000'000u) << "its own, not the other's";
    EXPECT_EQ(life.steps.back().info->name, "Done");
}

}  // namespace
}  // namespace asio_kit
