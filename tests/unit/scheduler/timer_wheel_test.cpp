// The timer wheel, held against a sorted list.

#include "../../../src/tiffany/scheduler/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

namespace tiffany::detail {
namespace {

/// Tasks that are nothing but their places, from 1 on.
struct Timers {
    explicit Timers(std::uint64_t now_ns) : wheel{table, now_ns} {}
    std::uint32_t add(std::uint64_t deadline_ns) {
        const auto place = static_cast<std::uint32_t>(deadlines_ns.size());
        deadlines_ns.push_back(deadline_ns);
        table.grow_to(deadlines_ns.size());
        wheel.add(place, deadline_ns);
        return place;
    }
    template <typename Expired>
    void expire(std::uint64_t now_ns, const Expired& expired) {
        struct Tasks {
            const Expired& expired_;
            void fetch(std::span<const std::uint32_t>) const {}
            void expired(std::uint32_t place, std::uint64_t deadline_ns) const { expired_(place, deadline_ns); }
        };
        wheel.expire(now_ns, Tasks{expired});
    }
    std::vector<std::uint64_t> expire(std::uint64_t now_ns) {
        std::vector<std::uint64_t> due;
        expire(now_ns, [&](std::uint32_t, std::uint64_t deadline_ns) { due.push_back(deadline_ns); });
        return due;
    }
    std::vector<std::uint32_t> places_due(std::uint64_t now_ns) {
        std::vector<std::uint32_t> due;
        expire(now_ns, [&](std::uint32_t place, std::uint64_t deadline_ns) {
            EXPECT_EQ(deadline_ns, deadlines_ns[place]);
            due.push_back(place);
        });
        return due;
    }
    TimerTable table;
    TimerWheel wheel;
    std::vector<std::uint64_t> deadlines_ns{0};  // by place
};

constexpr std::uint64_t kLatest = ~std::uint64_t{0} - 1;

TEST(TimerWheelTest, IsDueExactlyAtItsDeadline) {
    Timers timers{1};
    timers.add(1'000'000'007);
    EXPECT_TRUE(timers.expire(1'000'000'006).empty());
    EXPECT_EQ(timers.expire(1'000'000'007), std::vector<std::uint64_t>{1'000'000'007});
    EXPECT_TRUE(timers.wheel.empty());
}

TEST(TimerWheelTest, ADeadlineThatIsOverIsDueAtOnce) {
    Timers timers{100};
    timers.add(40);
    EXPECT_EQ(timers.expire(100), std::vector<std::uint64_t>{40});
}

TEST(TimerWheelTest, OfOneDeadlineTheFirstThatCameIsTheFirstWhateverTheTimeWas) {
    Timers timers{0};
    constexpr std::uint64_t kDeadline = 70'000'000;
    std::vector<std::uint32_t> order;
    for (const std::uint64_t now : {0u, 63u, 64u, 5'000u, 69'999'999u}) {
        timers.expire(now);
        order.push_back(timers.add(kDeadline));
    }
    EXPECT_EQ(timers.places_due(kDeadline), order);
}

TEST(TimerWheelTest, TheFarthestDeadlineIsHeld) {
    Timers timers{1};
    timers.add(kLatest);
    EXPECT_TRUE(timers.expire(std::uint64_t{1} << 63).empty());
    EXPECT_EQ(timers.expire(kLatest).size(), 1u);
}

TEST(TimerWheelTest, NothingIsDueBeforeNext) {
    Timers timers{12'345};
    timers.add(99'999'999);
    std::uint64_t now = 12'345;
    int looks = 0;
    while (!timers.wheel.empty()) {
        ASSERT_GE(timers.wheel.next_ns(), now);
        ASSERT_LE(timers.wheel.next_ns(), 99'999'999u);
        now = timers.wheel.next_ns();
        timers.expire(now);
        ASSERT_LE(++looks, 8);  // once a level at the most, of 256 slots each
    }
    EXPECT_EQ(now, 99'999'999u);
}

TEST(TimerWheelTest, WhatWaitsForLongIsFetchedOnceAndBeforeItIsDue) {
    struct Tasks {
        std::vector<std::uint32_t>& fetched_;
        std::vector<std::uint32_t>& due_;
        void fetch(std::span<const std::uint32_t> places) const {
            for (const std::uint32_t place : places) {
                EXPECT_EQ(std::ranges::count(fetched_, place), 0) << place;
                EXPECT_EQ(std::ranges::count(due_, place), 0) << place;
                fetched_.push_back(place);
            }
        }
        void expired(std::uint32_t place, std::uint64_t) const { due_.push_back(place); }
    };
    Timers timers{1};
    constexpr std::size_t kMany = 200;
    for (std::uint64_t i = 0; i < kMany; ++i)  // some in each slot of 65 us
        timers.add(0x0203'0405 + i * 0x4321);
    std::vector<std::uint32_t> fetched;
    std::vector<std::uint32_t> due;
    timers.wheel.expire(0x0203'0000, Tasks{fetched, due});
    EXPECT_TRUE(due.empty());
    EXPECT_FALSE(fetched.empty());
    EXPECT_LT(fetched.size(), kMany);
    timers.wheel.expire(0x0300'0000, Tasks{fetched, due});
    EXPECT_EQ(due.size(), kMany);
    EXPECT_EQ(fetched.size(), kMany);
}

TEST(TimerWheelTest, AMillionSleepersWakeInTheOrderOfTheirDeadlines) {
    constexpr std::size_t kSleepers = 1'000'000;
    std::mt19937_64 random{20261127};
    Timers timers{1};
    for (std::size_t i = 0; i < kSleepers; ++i)
        timers.add(1 + random() % 10'000'000'000);
    std::size_t woken = 0;
    std::uint64_t last_ns = 0;
    std::uint64_t now = 1;
    while (!timers.wheel.empty()) {
        now += 10'000'000;
        timers.expire(now, [&](std::uint32_t, std::uint64_t deadline_ns) {
            ASSERT_LE(deadline_ns, now);
            ASSERT_GE(deadline_ns, last_ns);
            last_ns = deadline_ns;
            ++woken;
        });
    }
    EXPECT_EQ(woken, kSleepers);
}

TEST(TimerWheelTest, AgreesWithASortedListThroughRandomAddsRemovesAndJumps) {
    std::mt19937_64 random{20261127};
    Timers timers{1};
    std::vector<std::uint32_t> waiting;
    std::uint64_t now = 1;
    for (int round = 0; round < 20'000; ++round) {
        const auto bits = random() % 40;
        if (random() % 3 != 0) waiting.push_back(timers.add(now + random() % (std::uint64_t{1} << bits)));
        if (!waiting.empty() && random() % 4 == 0) {
            const auto victim = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
            timers.wheel.remove(*victim);
            waiting.erase(victim);
        }
        if (random() % 2 != 0) continue;
        now += random() % (std::uint64_t{1} << (random() % 34));
        const auto& deadlines_ns = timers.deadlines_ns;
        std::vector<std::uint32_t> expected;
        for (const std::uint32_t place : waiting)
            if (deadlines_ns[place] <= now) expected.push_back(place);
        std::stable_sort(expected.begin(), expected.end(),
                         [&](std::uint32_t a, std::uint32_t b) { return deadlines_ns[a] < deadlines_ns[b]; });
        ASSERT_EQ(timers.places_due(now), expected) << "round " << round;
        std::erase_if(waiting, [&](std::uint32_t place) { return deadlines_ns[place] <= now; });
        ASSERT_EQ(timers.wheel.empty(), waiting.empty());
    }
}

}  // namespace
}  // namespace tiffany::detail
