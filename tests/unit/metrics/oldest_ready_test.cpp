// How long the oldest ready task has been ready, at least. Time comes from a clock that the test moves.

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <telemetry/ready_age.hpp>
#include <vector>

#include "metrics.hpp"

namespace tiffany {
namespace {

constexpr const char* kOldest = "scheduler_oldest_ready_seconds";

TEST_F(Metrics, AQueueThatNobodyServesIsOlderAtEachScrape) {
    EXPECT_EQ(gauge(kOldest), 0);
    worker.spawned(task, {.name = "t"});
    EXPECT_EQ(gauge(kOldest), 0) << "no scrape has seen it yet";
    for (int i = 1; i <= 5; ++i) {
        clock.advance(1'000 * kMs);
        EXPECT_DOUBLE_EQ(gauge(kOldest), i);
    }
    worker.running(task);
    EXPECT_EQ(gauge(kOldest), 0);
    clock.advance(1'000 * kMs);
    EXPECT_EQ(gauge(kOldest), 0) << "it runs";
}

TEST_F(Metrics, TasksThatCameLaterDoNotMakeTheOldestOneYounger) {
    worker.spawned(task, {.name = "t"});
    gauge(kOldest);
    clock.advance(1'000 * kMs);
    TaskTimes later;
    worker.spawned(later, {.name = "t"});
    EXPECT_DOUBLE_EQ(gauge(kOldest), 1);
    clock.advance(1'000 * kMs);
    worker.running(task);
    EXPECT_DOUBLE_EQ(gauge(kOldest), 1) << "the one that came later is left: it was there at the last scrape";
    worker.cancelled(later, CancelCause::asked);
    EXPECT_EQ(gauge(kOldest), 0) << "a cancellation takes it out of the queue, too";
}

TEST_F(Metrics, AQueueThatIsServedInTimeIsYoung) {
    for (int i = 0; i < 100; ++i) {
        TaskTimes each;
        worker.spawned(each, {.name = "t"});
        clock.advance(10 * kMs);
        EXPECT_LE(gauge(kOldest), 0.010);
        worker.running(each);
        worker.done(each);
    }
}

// Whatever the order in which the queue serves, and however often it is looked at: the oldest one is no younger.
TEST(ReadyAge, IsNeverMoreThanTheOldestTasksAge) {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random{seed};
        detail::ReadyAge age;
        std::deque<std::uint64_t> queue;  // when each was pushed
        std::uint64_t pushes = 0;
        std::uint64_t pops = 0;
        std::uint64_t last_look = 0;
        unsigned looks = 0;
        const bool in_order = seed % 2 == 0;
        for (std::uint64_t now = 1; now < 2'000; ++now) {
            switch (random() % 5) {
                case 0:
                case 1:
                    queue.push_back(now);
                    ++pushes;
                    break;
                case 2:
                case 3:
                    if (queue.empty()) break;
                    ++pops;
                    queue.erase(queue.begin() + static_cast<std::ptrdiff_t>(in_order ? 0 : random() % queue.size()));
                    break;
                default: {
                    const std::uint64_t since = age.waiting_since(pops);
                    age.keep(pushes, now);
                    const std::uint64_t oldest = queue.empty() ? now : queue.front();
                    ASSERT_TRUE(since == 0 || oldest <= since) << "seed " << seed << ", at " << now;
                    // in order, and with room for all looks: it is known to the distance between two looks
                    if (in_order && !queue.empty() && oldest <= last_look && ++looks < 64) {
                        ASSERT_NE(since, 0u) << "seed " << seed << ", at " << now;
                    }
                    last_look = now;
                }
            }
        }
    }
}

TEST(ReadyAge, KeepsTheOldestLookWhenThereAreMoreThanItKeeps) {
    detail::ReadyAge age;
    for (std::uint64_t look = 1; look <= 10'000; ++look) {
        EXPECT_LE(age.waiting_since(0), 1u);
        age.keep(look, look);
    }
    EXPECT_EQ(age.waiting_since(0), 1u);
    const std::uint64_t since = age.waiting_since(5'000);
    EXPECT_GT(since, 5'000u);
    EXPECT_LE(since, 5'000u + 10'000u / 32) << "coarser, but not by much";
    EXPECT_EQ(age.waiting_since(10'000), 0u);
}

}  // namespace
}  // namespace tiffany
