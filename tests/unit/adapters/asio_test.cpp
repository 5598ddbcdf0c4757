// Coroutines of Boost.Asio as tasks: which hooks they fire, in which order.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <unistd.h>
#include <array>
#include <atomic>
#include <boost/asio.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
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
using tiffany::CancelCause;
using tiffany::TaskEvent;
using tiffany::TaskState;
using tiffany::WakeCause;
namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using asio::ip::tcp;
using tiffany::asio::Telemetry;

/// A context in which one thread runs coroutines until there is nothing left to do; then both go.
class AsioTest : public testing::Test {
  protected:
    /// Errors: what leaves a handler.
    Recording run_to_end(const std::function<void(asio::io_context&, Telemetry&)>& spawn) {
        const ScopedSink sink;
        {
            Telemetry telemetry{"asio"};
            asio::io_context context;
            spawn(context, telemetry);
            context.run();
        }
        Recording run = sink.recording();
        EXPECT_THAT(run, LifecycleIsLegal());
        EXPECT_THAT(run, RunsOneAtATime());
        return run;
    }
};

awaitable<void> sleep_for(std::chrono::nanoseconds time) {
    asio::steady_timer timer{co_await asio::this_coro::executor, time};
    co_await timer.async_wait(use_awaitable);
}

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

// ---- tasks and tasks ----

awaitable<int> add(int a, int b) {
    co_await sleep_for(1ns);
    co_return a + b;
}

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

/// An asynchronous operation that Asio knows nothing of: whoever calls `set` completes it.
class Gate {
  public:
    /// @param at_once  called within the initiation, when the gate can be set
    awaitable<void> wait(std::function<void()> at_once = [] {}) {
        return asio::async_initiate<const asio::use_awaitable_t<>, void()>(
            [this, at_once = std::move(at_once)](auto handler) {
                auto executor = asio::get_associated_executor(handler);
                {
                    const std::lock_guard lock{mutex_};
                    auto shared = std::make_shared<decltype(handler)>(std::move(handler));
                    resume_ = [shared, executor](bool inlined) {
                        auto call = [shared]() { (*shared)(); };
                        if (inlined)
                            asio::dispatch(executor, call);
                        else
                            asio::post(executor, call);
                    };
                }
                at_once();
            },
            use_awaitable);
    }
    bool is_awaited() {
        const std::lock_guard lock{mutex_};
        return resume_ != nullptr;
    }
    void set(bool inlined = false) {
        std::function<void(bool)> resume;
        {
            const std::lock_guard lock{mutex_};
            resume.swap(resume_);
        }
        resume(inlined);
    }

  private:
    std::mutex mutex_;
    std::function<void(bool)> resume_;
};

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
                co_await sleep_for(5ms);
                co_await asio::co_spawn(executor, sleep_for(1ms), use_awaitable);
            },
            detached);
    });
    const TaskLife life = run.task("task");
    EXPECT_EQ(life.steps[2].info->name, "Sleep");
    EXPECT_GT(step(life, TaskEvent::Sleep).number("dur_ns"), 1'000'000u) << "its own, not the other's";
    EXPECT_EQ(life.steps.back().info->name, "Done");
}

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

// ---- several threads ----

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
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        asio::io_context context;
        tiffany::asio::co_spawn(context, telemetry, {.name = "sleeper"}, sleep_for(5ms), detached);
        EXPECT_GE(tiffany::asio::run(context, telemetry), 2u);
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
    EXPECT_EQ(ticks, 2u);
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
