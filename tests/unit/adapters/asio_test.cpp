// Coroutines of Boost.Asio as tasks: which hooks they fire, in which order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <unistd.h>

#include <array>
#include <boost/asio.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>
#include <vector>

#include "asio_kit.hpp"
#include "told.hpp"

namespace asio_kit {
namespace {

TEST_F(AsioTest, ATaskThatReturnsIsDone) {
    const Recording run = run_to_end([](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "short", .priority = 3}, []() -> awaitable<void> { co_return; }, detached);
    });
    const TaskLife life = run.task("short");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Done"));
    EXPECT_EQ(life.steps.front().number("priority"), 3u);
    EXPECT_THAT(std::string{life.steps.front().text("site")}, testing::HasSubstr("asio_test.cpp:"));
}

TEST_F(AsioTest, ATimerIsASleep) {
    const Recording run = run_to_end([](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(2ms), detached);
    });
    const TaskLife life = run.task("sleeper");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
    const std::uint64_t dur_ns = step(life, TaskEvent::Sleep).number("dur_ns");
    EXPECT_GT(dur_ns, 0u);
    EXPECT_LE(dur_ns, 2'000'000u);
    EXPECT_EQ(step(life, TaskEvent::Ready).number("cause"), number(WakeCause::timer));
    EXPECT_GE(life.steps[4].number("wait_ns"), dur_ns);
}

/// How long the deadline was passed is told, not the time in which the task might have been run.
TEST_F(AsioTest, ATimerThatIsNoticedLateSaysSo) {
    const Recording run = run_to_end([](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(1ms), detached);
        asio::post(context, [] { std::this_thread::sleep_for(20ms); });
    });
    EXPECT_GE(step(run.task("sleeper"), TaskEvent::Ready).number("late_ns"), 10'000'000u);
}

TEST_F(AsioTest, APostToItsOwnExecutorIsAYield) {
    const Recording run = run_to_end([](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "yielder"},
            []() -> awaitable<void> {
                co_await asio::post(co_await asio::this_coro::executor, use_awaitable);
                co_await asio::defer(asio::use_awaitable_t<>{});
                co_await asio::dispatch(co_await asio::this_coro::executor, use_awaitable);
            },
            detached);
    });
    EXPECT_THAT(run.task("yielder"),
                EventsAre("Spawned", "Running", "Yield", "Running", "Yield", "Running", "Yield", "Running", "Done"));
}

TEST_F(AsioTest, AnExceptionThatLeavesItFailsIt) {
    bool caught = false;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "failing"},
            []() -> awaitable<int> {
                co_await sleep_for(1ns);
                throw std::runtime_error{"page 3 is torn"};
            },
            [&](const std::exception_ptr& error, int) { caught = error != nullptr; });
    });
    EXPECT_TRUE(caught);
    const TaskLife life = run.task("failing");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Failed"));
    EXPECT_EQ(life.steps.back().text("error"), "page 3 is torn");
}

TEST_F(AsioTest, AnExceptionOfAnUnknownKindFailsItToo) {
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "failing"},
            []() -> awaitable<void> {
                throw 7;
                co_return;
            },
            [](const std::exception_ptr&) {});
    });
    EXPECT_THAT(run.task("failing"), EventsAre("Spawned", "Running", "Failed"));
}

/// Its function has returned: what becomes of the result is no part of the run.
TEST_F(AsioTest, ATaskWhoseResultCannotBeMovedIsDone) {
    struct Stuck {
        Stuck() = default;  // what Asio gives beside an exception
        explicit Stuck(int& its_moves_left) : moves_left{&its_moves_left} {}
        Stuck(const Stuck& other) : moves_left{other.moves_left} {
            if (moves_left != nullptr && (*moves_left)-- == 0) throw std::runtime_error{"no room"};
        }
        int* moves_left = nullptr;
    };
    int moves_left = 2;  // out of the function's frame, by Asio
    std::string caught;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "stuck"}, [&]() -> awaitable<Stuck> { co_return Stuck{moves_left}; },
            [&](const std::exception_ptr& error, const auto&) {
                try {
                    if (error) std::rethrow_exception(error);
                } catch (const std::runtime_error& stuck) {
                    caught = stuck.what();
                }
            });
    });
    EXPECT_EQ(caught, "no room");
    EXPECT_THAT(run.task("stuck"), EventsAre("Spawned", "Running", "Done"));
}

/// Cancels what the first task waits for, once it does.
awaitable<void> cancel(asio::steady_timer& timer) {
    while (timer.cancel() == 0)
        co_await asio::post(use_awaitable);
}

TEST_F(AsioTest, AnAbortedOperationThatLeavesItCancelsIt) {
    std::optional<asio::steady_timer> timer;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        timer.emplace(context, 1h);
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "sleeper"},
            [&]() -> awaitable<void> { co_await timer->async_wait(use_awaitable); },
            [&](const std::exception_ptr&) { timer.reset(); });
        tiffany::asio::co_spawn(context, telemetry, {.name = "canceller"}, cancel(*timer), detached);
    });
    const TaskLife life = run.task("sleeper");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Cancelled"));
    EXPECT_EQ(life.steps[3].number("cause"), number(WakeCause::cancel));
    EXPECT_EQ(life.steps[5].number("cause"), number(CancelCause::asked));
}

TEST_F(AsioTest, AnAbortedOperationThatItCatchesLeavesItAlone) {
    std::optional<asio::steady_timer> timer;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        timer.emplace(context, asio::steady_timer::time_point::max());
        tiffany::asio::co_spawn(
            context, telemetry, {.name = "sleeper"},
            [&]() -> awaitable<void> {
                boost::system::error_code error;
                co_await timer->async_wait(asio::redirect_error(use_awaitable, error));
                EXPECT_EQ(error, asio::error::operation_aborted);
                timer.reset();
            },
            detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "canceller"}, cancel(*timer), detached);
    });
    const TaskLife life = run.task("sleeper");
    EXPECT_THAT(life, EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
    EXPECT_EQ(life.steps[2].number("dur_ns"), 0u) << "for ever";
}

TEST_F(AsioTest, WhatIsAliveWhenTheContextGoesIsDestroyedFromWhereItIs) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        asio::io_context other;
        tcp::acceptor acceptor{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}};
        const auto ready = [&]() -> awaitable<void> { co_await asio::post(use_awaitable); };
        const auto wait = [&]() -> awaitable<void> { co_await acceptor.async_accept(use_awaitable); };
        const auto join = [&]() -> awaitable<void> {
            co_await tiffany::asio::co_spawn(co_await asio::this_coro::executor, telemetry, {.name = "joined"},
                                             sleep_for(1h), use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(1h), detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "waiter"}, wait, detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "joiner"}, join, detached);
        tiffany::asio::co_spawn(other, telemetry, {.name = "not run"}, ready, detached);
        context.poll();
        tiffany::asio::co_spawn(context, telemetry, {.name = "yielder"}, ready, detached);
        context.poll_one();
        other.poll();
        tiffany::asio::co_spawn(other, telemetry, {.name = "too late"}, ready, detached);
    }
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    const auto from = [&](const char* name) {
        const tiffany::pal::Record last = run.task(name).steps.back();
        EXPECT_EQ(last.info->name, "Cancelled") << name;
        EXPECT_EQ(last.number("cause"), number(CancelCause::destroyed)) << name;
        return last.number("from_state");
    };
    EXPECT_EQ(from("sleeper"), number(TaskState::Sleeping));
    EXPECT_EQ(from("joined"), number(TaskState::Sleeping));
    EXPECT_EQ(from("waiter"), number(TaskState::Waiting));
    EXPECT_EQ(from("joiner"), number(TaskState::Waiting));
    EXPECT_EQ(from("too late"), number(TaskState::Ready));
    EXPECT_THAT(run.task("too late"), EventsAre("Spawned", "Cancelled"));
    EXPECT_THAT(run.task("joiner"), EventsAre("Spawned", "Running", "Join", "Cancelled"));
}

TEST_F(AsioTest, WhatIsAliveWhenTheTelemetryGoesIsCancelledOnce) {
    const ScopedSink sink;
    asio::io_context context;
    {
        Telemetry telemetry{"asio"};
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(1h), detached);
        context.poll();
        tiffany::asio::co_spawn(context, telemetry, {.name = "queued"}, sleep_for(1h), detached);
    }
    context.poll();  // not a task any more, and no harm
    const Recording run = sink.recording();
    EXPECT_THAT(run, LifecycleIsLegal());
    EXPECT_THAT(run.task("sleeper"), EventsAre("Spawned", "Running", "Sleep", "Cancelled"));
    EXPECT_THAT(run.task("queued"), EventsAre("Spawned", "Cancelled"));
}

// ---- descriptors ----

/// Two sockets that are connected, and what they are called in events.
class AsioSocketTest : public AsioTest {
  protected:
    static std::vector<std::uint64_t> descriptors(const TaskLife& life) {
        std::vector<std::uint64_t> found;
        for (const tiffany::pal::Record& record : life.steps)
            if (record.info->name == "IoWait") found.push_back(record.number("io"));
        return found;
    }
};

TEST_F(AsioSocketTest, AcceptConnectReadAndWriteAreWaitsForTheirDescriptors) {
    std::uint64_t listening = 0;
    std::uint64_t accepted = 0;
    std::uint64_t connected = 0;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        const auto acceptor =
            std::make_shared<tcp::acceptor>(context, tcp::endpoint{asio::ip::address_v4::loopback(), 0});
        listening = static_cast<std::uint64_t>(acceptor->native_handle());
        const auto serve = [&, acceptor]() -> awaitable<void> {
            tcp::socket socket = co_await acceptor->async_accept(use_awaitable);
            accepted = static_cast<std::uint64_t>(socket.native_handle());
            std::array<char, 4> bytes{};
            co_await socket.async_read_some(asio::buffer(bytes), use_awaitable);
            co_await socket.async_write_some(asio::buffer(bytes), use_awaitable);
        };
        const auto ask = [&, acceptor]() -> awaitable<void> {
            tcp::socket socket{co_await asio::this_coro::executor};
            co_await socket.async_connect(acceptor->local_endpoint(), use_awaitable);
            connected = static_cast<std::uint64_t>(socket.native_handle());
            co_await asio::async_write(socket, asio::buffer("ping", 4), use_awaitable);
            std::array<char, 4> bytes{};
            co_await asio::async_read(socket, asio::buffer(bytes), use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "server"}, serve, detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "client"}, ask, detached);
    });
    const TaskLife server = run.task("server");
    EXPECT_THAT(server, EventsAre("Spawned", "Running", "IoWait", "Ready", "Running", "IoWait", "Ready", "Running",
                                  "IoWait", "Ready", "Running", "Done"));
    EXPECT_EQ(descriptors(server), (std::vector{listening, accepted, accepted}));
    EXPECT_EQ(step(server, TaskEvent::Ready).number("cause"), number(WakeCause::io));
    const TaskLife client = run.task("client");
    EXPECT_EQ(descriptors(client), (std::vector{connected, connected, connected}));
    EXPECT_THAT(client, EventsAre("Spawned", "Running", "IoWait", "Ready", "Running", "IoWait", "Ready", "Running",
                                  "IoWait", "Ready", "Running", "Done"));
}

/// More than the socket's buffers have room for, so that each end waits in the middle of the operation.
TEST_F(AsioSocketTest, EachStepOfAComposedOperationIsAWait) {
    const std::vector<char> sent(8'000'000, 'x');
    std::vector<char> received(sent.size());
    std::uint64_t reader = 0;
    std::uint64_t writer = 0;
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        asio::local::stream_protocol::socket one{context};
        asio::local::stream_protocol::socket other{context};
        asio::local::connect_pair(one, other);
        reader = static_cast<std::uint64_t>(one.native_handle());
        writer = static_cast<std::uint64_t>(other.native_handle());
        const auto read = [](asio::local::stream_protocol::socket socket,
                             std::vector<char>& bytes) -> awaitable<std::size_t> {
            co_return co_await asio::async_read(socket, asio::buffer(bytes), use_awaitable);
        };
        const auto write = [](asio::local::stream_protocol::socket socket,
                              const std::vector<char>& bytes) -> awaitable<std::size_t> {
            co_return co_await asio::async_write(socket, asio::buffer(bytes), use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "reader"}, read(std::move(one), received), detached);
        tiffany::asio::co_spawn(context, telemetry, {.name = "writer"}, write(std::move(other), sent), detached);
    });
    EXPECT_EQ(received, sent);
    for (const auto& [name, descriptor] : {std::pair{"reader", reader}, std::pair{"writer", writer}}) {
        const TaskLife life = run.task(name);
        EXPECT_GT(descriptors(life).size(), 1u);
        for (const std::uint64_t found : descriptors(life))
            EXPECT_EQ(found, descriptor);
        EXPECT_EQ(life.steps.size(), 3 + 3 * descriptors(life).size());
    }
}

TEST_F(AsioSocketTest, ADescriptorOfAnotherKindIsAWaitToo) {
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const Recording run = run_to_end([&](asio::io_context& context, Telemetry& telemetry) {
        const auto read = [](asio::posix::stream_descriptor descriptor) -> awaitable<void> {
            co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, use_awaitable);
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "reader"},
                                read(asio::posix::stream_descriptor{context, ends[0]}), detached);
        asio::post(context, [&] { EXPECT_EQ(write(ends[1], "x", 1), 1); });
    });
    close(ends[1]);
    EXPECT_EQ(descriptors(run.task("reader")), std::vector{static_cast<std::uint64_t>(ends[0])});
}

}  // namespace
}  // namespace asio_kit
