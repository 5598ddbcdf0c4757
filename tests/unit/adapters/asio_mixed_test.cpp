// A program of files with the macro of Asio's handler tracking, as this one, and files without it. It runs whole,
// whichever the linker is given first, and what is compiled with the macro tells all of itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tiffany/adapters/asio.hpp>

#include <algorithm>
#include <boost/asio.hpp>
#include <chrono>
#include <memory>
#include <string_view>
#include <thread>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/matchers.hpp>
#include <tiffany/testing/memory_sink.hpp>
#include <utility>
#include <vector>

#include "asio_mixed.hpp"

namespace {

using namespace tiffany::testing;
using tiffany::asio::Telemetry;
namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;
using library::Message;
using library::Socket;

constexpr int kRounds = 100;

/// What a task does with a library's coroutine at the other end of its socket.
struct Talk {
    explicit Talk(asio::io_context& context) : mine{context}, timer{context} {
        Socket other{context};
        asio::local::connect_pair(mine, other);
        library::echo(context, std::move(other), library_ended);
    }

    awaitable<void> own_round() {
        co_await asio::async_write(mine, asio::buffer(message), use_awaitable);
        co_await asio::async_read(mine, asio::buffer(message), use_awaitable);
        expire();
        co_await timer.async_wait(use_awaitable);
    }
    awaitable<void> library_round() {
        co_await library::write(mine, asio::buffer(message));
        co_await library::read(mine, asio::buffer(message));
        expire();
        co_await library::sleep(timer);
        expire();
        slept += co_await library::sleep_elsewhere(timer);
    }
    awaitable<void> inline_round() {
        co_await asio::async_write(mine, asio::buffer(message), use_awaitable);
        read += co_await library::read_inline(mine, asio::buffer(message));
    }
    /// Neither waits for anything, and the task goes on meanwhile.
    awaitable<void> spawn_round() {
        const asio::any_io_executor executor = co_await asio::this_coro::executor;
        library::spawn(executor, library_spawned);
        const auto end = [](int& ended) -> awaitable<void> {
            ++ended;
            co_return;
        };
        asio::co_spawn(executor, end(spawned), detached);
    }
    void expire() { timer.expires_at(std::chrono::steady_clock::now()); }

    Socket mine;
    asio::steady_timer timer;
    Message message{'a', 'b', 'c'};
    std::size_t read = 0;
    int slept = 0;
    int spawned = 0;
    int library_spawned = 0;
    int library_ended = 0;
};

using Round = awaitable<void> (Talk::*)();

/// A task, `kRounds` times the round.
Recording talk(Talk& talk, asio::io_context& context, Round round) {
    const ScopedSink sink;
    {
        Telemetry telemetry{"asio"};
        const auto run = [&]() -> awaitable<void> {
            for (int i = 0; i < kRounds; ++i)
                co_await (talk.*round)();
            talk.mine.close();
        };
        tiffany::asio::co_spawn(context, telemetry, {.name = "talk"}, run, detached);
        context.run();
    }
    Recording recording = sink.recording();
    EXPECT_EQ(talk.library_ended, 1);
    EXPECT_THAT(recording, LifecycleIsLegal());
    EXPECT_THAT(recording, RunsOneAtATime());
    EXPECT_EQ(recording.task("talk").steps.back().info->name, "Done");
    return recording;
}

auto count(const Recording& recording, std::string_view event) {
    return std::ranges::count_if(recording.task("talk").steps,
                                 [&](const auto& record) { return record.info->name == event; });
}

TEST(MixedAsio, ToldIsWhatIsCompiledForIt) {
    asio::io_context context;
    Talk mine{context};
    const Recording recording = talk(mine, context, &Talk::own_round);
    EXPECT_EQ(count(recording, "IoWait"), 2 * kRounds);
    EXPECT_EQ(count(recording, "Sleep"), kRounds);
    EXPECT_EQ(count(recording, "Wait"), 0);
}

TEST(MixedAsio, ALibrarysAwaitsInATaskAreWaitsForSomethingUnknown) {
    asio::io_context context;
    Talk mine{context};
    const Recording recording = talk(mine, context, &Talk::library_round);
    EXPECT_EQ(mine.slept, kRounds);
    EXPECT_EQ(count(recording, "IoWait"), 0);
    EXPECT_EQ(count(recording, "Sleep"), 0);
    EXPECT_GE(count(recording, "Wait"), 4 * kRounds);
}

TEST(MixedAsio, AnInlineCoroutineIsToldOrNot) {
    asio::io_context context;
    Talk mine{context};
    const Recording recording = talk(mine, context, &Talk::inline_round);
    EXPECT_EQ(mine.read, kRounds * sizeof(Message));
    EXPECT_EQ(count(recording, "IoWait") + count(recording, "Sleep") + count(recording, "Wait"), 3 * kRounds);
    EXPECT_GE(count(recording, "IoWait"), kRounds);
}

TEST(MixedAsio, WhatATaskSpawnsDoesNotSuspendIt) {
    asio::io_context context;
    Talk mine{context};
    const Recording recording = talk(mine, context, &Talk::spawn_round);
    EXPECT_EQ(mine.spawned, kRounds);
    EXPECT_EQ(mine.library_spawned, kRounds);
    EXPECT_THAT(recording.task("talk"), EventsAre("Spawned", "Running", "Done"));
}

TEST(MixedAsio, AClassThatHoldsATokenIsTheSame) {
    const library::Options options = library::options();
    EXPECT_TRUE(library::are_options(options));
    EXPECT_EQ(options.behind, 0x2222'2222'2222'2222);
}

TEST(MixedAsio, ManyTasksInThreadsRunWhole) {
    const ScopedSink sink;
    asio::io_context context;
    std::vector<std::unique_ptr<Talk>> talks;
    for (int i = 0; i < 8; ++i)
        talks.push_back(std::make_unique<Talk>(context));
    {
        Telemetry telemetry{"asio"};
        for (const std::unique_ptr<Talk>& its : talks)
            tiffany::asio::co_spawn(
                context, telemetry, {.name = "talker"},
                [talk = its.get()]() -> awaitable<void> {
                    for (int i = 0; i < kRounds / 4; ++i) {
                        co_await talk->own_round();
                        co_await talk->library_round();
                        co_await talk->inline_round();
                    }
                    talk->mine.close();
                },
                detached);
        std::vector<std::jthread> threads(3);
        for (std::jthread& thread : threads)
            thread = std::jthread{[&context] { context.run(); }};
        threads.clear();
    }
    for (const std::unique_ptr<Talk>& its : talks) {
        EXPECT_EQ(its->slept, kRounds / 4);
        EXPECT_EQ(its->read, kRounds / 4 * sizeof(Message));
        EXPECT_EQ(its->library_ended, 1);
    }
    EXPECT_THAT(sink.recording(), LifecycleIsLegal());
    EXPECT_THAT(sink.recording(), RunsOneAtATime());
}

}  // namespace
