// Operations of Asio that resume a task: where its coroutine goes on, and what is told.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <boost/asio.hpp>
#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>
#include <vector>

#include "told.hpp"

namespace {

using namespace std::chrono_literals;
using namespace tiffany::testing;
using tiffany::asio::Telemetry;
namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;

/// A thing of the program's own that a coroutine awaits: gives what resumes it away.
template <typename Taker>
auto give_away(Taker&& taker) {
    return asio::async_initiate<const asio::use_awaitable_t<>, void(boost::system::error_code)>(
        [taker](auto handler) {
            const auto mine = taker;  // with the coroutine, the other one may go meanwhile
            mine(std::move(handler));
        },
        use_awaitable);
}

TEST(AsioCompletions, AnOperationOfAnotherContextResumesTheTaskOnItsOwn) {
    const ScopedSink sink;
    bool on_its_own = false;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        asio::io_context other;
        const auto travel = [&]() -> awaitable<void> {
            asio::steady_timer timer{other, 1us};
            co_await timer.async_wait(use_awaitable);
            on_its_own = context.get_executor().running_in_this_thread();
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "traveller"}, travel, detached);
        context.poll();
        other.run();
        context.run();
    }
    EXPECT_TRUE(on_its_own);
    EXPECT_THAT(sink.recording().task("traveller"),
                EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
}

/// What expires together, in the order in which it is called: a task's timer, and a callback's behind it.
std::vector<std::string> order_of(const std::function<asio::any_io_executor(asio::io_context&)>& executor_of) {
    std::vector<std::string> order;
    Telemetry telemetry{"asio"};
    asio::io_context context;
    const auto expired = asio::steady_timer::clock_type::now() - 10s;
    asio::steady_timer first{context, expired};
    asio::steady_timer second{context, expired + 1s};
    const auto wait = [&]() -> awaitable<void> {
        second.async_wait([&](boost::system::error_code) { order.emplace_back("callback"); });
        co_await first.async_wait(use_awaitable);
        order.emplace_back("task");
    };
    tiffany::asio::co_spawn(executor_of(context), telemetry, {.name = "waiter"}, wait, detached);
    context.run();
    return order;
}

TEST(AsioCompletions, ATaskIsResumedWhereItsOperationCompletes) {
    EXPECT_THAT(order_of([](asio::io_context& context) { return context.get_executor(); }),
                testing::ElementsAre("task", "callback"));
    // as a coroutine of Asio's own
    EXPECT_THAT(order_of([](asio::io_context& context) {
                    return asio::require(context.get_executor(), asio::execution::blocking.never);
                }),
                testing::ElementsAre("task", "callback"));
}

TEST(AsioCompletions, AnOperationThatAnotherTaskStartsResumesWhoseHandlerItHas) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        asio::steady_timer timer{context, 1us};
        std::function<void()> start;
        const auto wait = [&]() -> awaitable<void> {
            co_await give_away([&](auto handler) {
                const auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                start = [&, shared] { timer.async_wait(std::move(*shared)); };
            });
            co_await timer.async_wait(use_awaitable);
        };
        const auto help = [&]() -> awaitable<void> {
            start();
            co_return;
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "waiter"}, wait, detached);
        context.poll();
        tiffany::asio::co_spawn(context, telemetry, {.name = "helper"}, help, detached);
        context.run();
        start = nullptr;
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run, RunsOneAtATime());
    EXPECT_THAT(run.task("waiter"),
                EventsAre("Spawned", "Running", "Wait", "Ready", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_EQ(run.task("helper").steps.back().info->name, "Done");
}

/// The run is on the stack of a thread yet, and what it spawns has a parent, when another thread has ended its task.
TEST(AsioCompletions, ATaskMayBeGoneBeforeItsRunReturns) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        const auto nothing = []() -> awaitable<void> { co_return; };
        const auto vanish = [&]() -> awaitable<void> {
            asio::steady_timer timer{context, 1us};
            co_await timer.async_wait(use_awaitable);
            co_await give_away([&](auto handler) {
                std::thread{[mine = std::move(handler)]() mutable {
                    auto last = std::move(mine);
                    last(boost::system::error_code{});
                }}.join();
                tiffany::asio::co_spawn(context, telemetry, {.name = "child"}, nothing, detached);
            });
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "parent"}, vanish, detached);
        context.run();
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_EQ(run.task("parent").steps.back().info->name, "Done");
    EXPECT_EQ(run.task("child").steps.front().number("parent"), run.task("parent").tid);
}

/// The same where what it waits for was told: it is another thread's before the operation's start has returned.
TEST(AsioCompletions, ATaskMayBeGoneBeforeItsOperationsStartReturns) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        asio::steady_timer timer{context, 1us};
        bool ended = false;
        const auto nothing = []() -> awaitable<void> { co_return; };
        const auto vanish = [&]() -> awaitable<void> {
            co_await timer.async_wait(use_awaitable);
            co_await give_away([&](auto handler) {
                timer.async_wait(std::move(handler));
                std::thread{[&] {
                    while (!ended)
                        context.run_one();
                }}.join();
                tiffany::asio::co_spawn(context, telemetry, {.name = "child"}, nothing, detached);
            });
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "parent"}, vanish,
                                [&](std::exception_ptr) { ended = true; });
        context.run();
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run.task("parent"),
                EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_EQ(run.task("child").steps.front().number("parent"), run.task("parent").tid);
}

}  // namespace
