// The adapter for oneTBB without telemetry: TBB's own classes, with the same calls.

#include <gtest/gtest.h>

#include <tiffany/adapters/tbb.hpp>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <type_traits>

namespace tiffany {
namespace {

TEST(StrippedTbb, RunsWhatItIsGivenAndTellsNothing) {
    std::atomic<int> ran{0};
    const auto one = [&ran] { ++ran; };
    tbb::Telemetry telemetry{"stripped"};
    tbb::task_group group{telemetry};
    group.run({.name = "run", .group = telemetry.group("kind"), .priority = 3}, one);
    group.run({.name = "run at a site"}, one, Site::here());
    group.run(group.defer({.name = "deferred"}, one, Site::here()));
    EXPECT_EQ(group.run_and_wait({.name = "run here"}, one, Site::here()), ::tbb::complete);
    EXPECT_EQ(group.run_and_wait(group.defer({.name = "run here"}, one)), ::tbb::complete);
    EXPECT_EQ(ran, 5);
    tbb::task_arena alike{telemetry, ::tbb::task_arena{3}};
    EXPECT_EQ(alike.arena().max_concurrency(), 3);
    tbb::task_arena arena{telemetry, 2, 1};
    EXPECT_EQ(arena.execute(
                  {.name = "executed"}, [] { return 42; }, Site::here()),
              42);
    arena.enqueue({.name = "enqueued"}, one, Site::here());
    arena.enqueue(group.defer({.name = "deferred"}, one));
    while (ran != 7)
        std::this_thread::sleep_for(std::chrono::microseconds{100});
    EXPECT_EQ(group.wait(), ::tbb::complete);
    tbb::yield();
    EXPECT_EQ(telemetry.transitions(), 0u);
}

TEST(StrippedTbb, GroupsAreCancelledAndFailAsTbbs) {
    tbb::Telemetry telemetry{"stripped"};
    ::tbb::task_group_context context;
    tbb::task_group group{telemetry, context};
    EXPECT_EQ(group.run_and_wait({.name = "canceller"}, [&] { group.cancel(); }), ::tbb::canceled);
    group.run({.name = "failing"}, [] { throw std::runtime_error{"no"}; });
    EXPECT_THROW(group.wait(), std::runtime_error);
}

TEST(StrippedTbb, RefusesTheSameMisuse) {
    EXPECT_FALSE(std::is_copy_constructible_v<tbb::task_group>);
    EXPECT_FALSE(std::is_copy_constructible_v<tbb::task_arena>);
    EXPECT_FALSE(std::is_copy_assignable_v<tbb::task_arena>);
}

}  // namespace
}  // namespace tiffany
