// The executor of a task: what it is to Asio, and what it keeps alive.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <boost/asio.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <typeinfo>
#include <utility>
#include <vector>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tiffany::testing;
using tiffany::TaskEvent;
using tiffany::asio::Telemetry;
namespace asio = boost::asio;
namespace execution = asio::execution;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using Executor = tiffany::asio::TaskExecutor<asio::io_context::executor_type>;

/// A context and a task of it that has ended: what is left is its executor.
class AsioExecutorTest : public testing::Test {
  protected:
    AsioExecutorTest() {
        const auto give = [&]() -> awaitable<void> { executor_ = co_await asio::this_coro::executor; };
        tiffany::asio::co_spawn(context_, telemetry_, {.name = "giver"}, give, detached);
        context_.run();
        context_.restart();
    }

    const Executor& task() const {
        EXPECT_EQ(executor_.target_type(), typeid(Executor));
        return *executor_.target<Executor>();
    }
    /// Whether the context ends its run for want of work.
    bool has_work() {
        context_.restart();
        context_.poll();
        return !context_.stopped();
    }

    Telemetry telemetry_{"asio"};
    asio::io_context context_;
    asio::any_io_executor executor_;
};

/// Else each copy in an await allocates.
TEST_F(AsioExecutorTest, LiesWithinAnAnyIoExecutor) {
    const auto begin = reinterpret_cast<std::uintptr_t>(&executor_);
    const auto held = reinterpret_cast<std::uintptr_t>(executor_.target<Executor>());
    EXPECT_GE(held, begin);
    EXPECT_LT(held, begin + sizeof executor_);

    const asio::any_io_executor work = asio::prefer(executor_, execution::outstanding_work.tracked);
    const auto working = reinterpret_cast<std::uintptr_t>(work.target<void>());
    EXPECT_GE(working, reinterpret_cast<std::uintptr_t>(&work));
    EXPECT_LT(working, reinterpret_cast<std::uintptr_t>(&work) + sizeof work);
}

TEST_F(AsioExecutorTest, HasThePropertiesOfItsContextsExecutor) {
    const Executor& plain = task();
    EXPECT_EQ(&asio::query(plain, execution::context), &context_);
    EXPECT_EQ(asio::query(plain, execution::mapping), execution::mapping.thread);
    EXPECT_EQ(asio::query(plain, execution::blocking), execution::blocking.possibly);
    EXPECT_EQ(asio::query(plain, execution::relationship), execution::relationship.fork);
    EXPECT_EQ(asio::query(plain, execution::outstanding_work), execution::outstanding_work.untracked);
    EXPECT_EQ(plain.inner(), context_.get_executor());

    const auto never = asio::require(plain, execution::blocking.never);
    EXPECT_EQ(asio::query(never, execution::blocking), execution::blocking.never);
    EXPECT_NE(never, plain);
    EXPECT_EQ(never.inner(), asio::require(context_.get_executor(), execution::blocking.never));
    EXPECT_EQ(asio::require(never, execution::blocking.possibly), plain);

    const auto continuing = asio::require(never, execution::relationship.continuation);
    EXPECT_EQ(asio::query(continuing, execution::relationship), execution::relationship.continuation);
    EXPECT_EQ(asio::query(continuing, execution::blocking), execution::blocking.never);
    EXPECT_EQ(asio::require(continuing, execution::relationship.fork), never);

    const auto tracked = asio::require(continuing, execution::outstanding_work.tracked);
    EXPECT_EQ(asio::query(tracked, execution::outstanding_work), execution::outstanding_work.tracked);
    EXPECT_EQ(asio::query(tracked, execution::blocking), execution::blocking.never);
    EXPECT_EQ(asio::query(tracked, execution::relationship), execution::relationship.continuation);
    EXPECT_EQ(asio::require(tracked, execution::outstanding_work.untracked), continuing);

    const auto allocating = asio::require(never, execution::allocator(std::allocator<char>{}));
    EXPECT_EQ(asio::query(allocating, execution::blocking), execution::blocking.never);
    EXPECT_EQ(allocating.tid(), plain.tid());
}

TEST_F(AsioExecutorTest, RunsWhatItIsGivenAsItsContextDoes) {
    int called = 0;
    asio::post(executor_, [&] {
        asio::dispatch(executor_, [&] { ++called; });
        EXPECT_EQ(called, 1) << "within the context a dispatch is a call";
        asio::post(executor_, [&] { ++called; });
        EXPECT_EQ(called, 1);
    });
    EXPECT_EQ(called, 0);
    context_.run();
    EXPECT_EQ(called, 2);
}

TEST_F(AsioExecutorTest, IsWorkOfItsContextOnlyWhereItIsAskedFor) {
    EXPECT_FALSE(has_work());
    std::optional<asio::any_io_executor> work = asio::prefer(executor_, execution::outstanding_work.tracked);
    EXPECT_TRUE(has_work());
    std::optional<asio::any_io_executor> copy = work;
    std::optional<asio::any_io_executor> moved = std::move(*work);
    work.reset();
    EXPECT_TRUE(has_work());
    moved.reset();
    EXPECT_TRUE(has_work());
    copy = asio::prefer(*copy, execution::outstanding_work.untracked);
    EXPECT_FALSE(has_work());
}

TEST_F(AsioExecutorTest, AssignedIsTheOther) {
    auto work = asio::require(task(), execution::outstanding_work.tracked);
    auto never = asio::require(work, execution::blocking.never);
    const auto& same = work;
    work = same;
    EXPECT_TRUE(has_work());
    never = work;
    EXPECT_EQ(asio::query(never, execution::blocking), execution::blocking.possibly);
    work = std::move(never);
    EXPECT_EQ(work.tid(), task().tid());
    EXPECT_TRUE(has_work());
}

/// The first to hold it as work, and the last to let go of it, may be any thread, and several at a time.
TEST_F(AsioExecutorTest, ThreadsThatHoldItAsWorkLeaveNoneBehind) {
    constexpr int kTimes = 20'000;
    std::vector<std::jthread> threads(4);
    for (std::jthread& thread : threads)
        thread = std::jthread{[&, executor = executor_] {
            for (int i = 0; i < kTimes; ++i) {
                const asio::any_io_executor work = asio::prefer(executor, execution::outstanding_work.tracked);
                const asio::any_io_executor copy = work;
            }
        }};
    threads.clear();
    EXPECT_FALSE(has_work());
    const asio::any_io_executor work = asio::prefer(executor_, execution::outstanding_work.tracked);
    EXPECT_TRUE(has_work());
}

// ---- the times of a wake ----

/// One moment, and one clock read: what completes the operation calls the coroutine.
TEST(AsioWakes, WhatIsCalledAtOnceRunsFromWhenItIsReady) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        const auto sleep = [&]() -> awaitable<void> {
            asio::steady_timer timer{context, 1ms};
            co_await timer.async_wait(use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep, detached);
        tiffany::asio::run(context, telemetry);
    }
    const TaskLife life = sink.recording().task("sleeper");
    ASSERT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_EQ(life.steps[4].number("ready_ns"), 1u) << "the least that is not unknown";
}

TEST(AsioWakes, WhatIsQueuedIsReadyUntilItIsCalled) {
    tiffany::VirtualClock clock;
    const ScopedSink sink;
    {
        tiffany::TelemetryOptions options;
        options.clock = &clock;
        Telemetry telemetry{"asio", options};
        asio::io_context context;
        std::function<void()> resume;
        const auto wait = [&]() -> awaitable<void> {
            co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
                [&](auto handler) {
                    const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                    resume = [shared] {
                        asio::post(asio::get_associated_executor(*shared), [shared] { (*shared)(); });
                    };
                },
                use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "waiter"}, wait, detached);
        context.poll();
        asio::post(context, [&] {
            asio::post(context, [&] { clock.advance(5); });  // before what is resumed
            resume();
        });
        context.run();
        resume = nullptr;
    }
    const TaskLife life = sink.recording().task("waiter");
    ASSERT_THAT(life, EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Done"));
    EXPECT_EQ(life.steps[4].number("ready_ns"), 5u);
}

}  // namespace
