// The timer wheel, held against a sorted list.

#include "../../../src/tiffany/scheduler/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>
#include <vector>

namespace tiffany::detail {
namespace {

struct Timers {
    explicit Timers(std::uint64_t now_ns) : wheel{now_ns} {}
    Operation& add(std::uint64_t deadline_ns) {
        Operation& operation = operations.emplace_back(WaitsFor::sleep_for);
        wheel.add(operation, deadline_ns);
        return operation;
    }
    std::vector<std::uint64_t> expire(std::uint64_t now_ns) {
        std::vector<std::uint64_t> due;
        wheel.expire(now_ns, [&](Operation& operation) { due.push_back(operation.time_ns); });
        return due;
    }
    TimerWheel wheel;
    std::deque<Operation> operations;
};

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
    std::vector<Operation*> order;
    for (const std::uint64_t now : {0u, 63u, 64u, 5'000u, 69'999'999u}) {
        timers.expire(now);
        order.push_back(&timers.add(kDeadline));
    }
    std::vector<Operation*> due;
    timers.wheel.expire(kDeadline, [&](Operation& operation) { due.push_back(&operation); });
    EXPECT_EQ(due, order);
}

TEST(TimerWheelTest, TheFarthestDeadlineIsHeld) {
    Timers timers{1};
    timers.add(Operation::kNever - 1);
    EXPECT_TRUE(timers.expire(std::uint64_t{1} << 63).empty());
    EXPECT_EQ(timers.expire(Operation::kNever - 1).size(), 1u);
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
        timers.wheel.expire(now, [&](Operation& operation) {
            ASSERT_LE(operation.time_ns, now);
            ASSERT_GE(operation.time_ns, last_ns);
            last_ns = operation.time_ns;
            ++woken;
        });
    }
    EXPECT_EQ(woken, kSleepers);
}

TEST(TimerWheelTest, AgreesWithASortedListThroughRandomAddsRemovesAndJumps) {
    std::mt19937_64 random{20261127};
    Timers timers{1};
    std::vector<Operation*> waiting;
    std::uint64_t now = 1;
    for (int round = 0; round < 20'000; ++round) {
        const auto bits = random() % 40;
        if (random() % 3 != 0) waiting.push_back(&timers.add(now + random() % (std::uint64_t{1} << bits)));
        if (!waiting.empty() && random() % 4 == 0) {
            const auto victim = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
            timers.wheel.remove(**victim);
            timers.wheel.remove(**victim);  // harmless
            waiting.erase(victim);
        }
        if (random() % 2 != 0) continue;
        now += random() % (std::uint64_t{1} << (random() % 34));
        std::vector<Operation*> expected;
        for (Operation* const operation : waiting)
            if (operation->time_ns <= now) expected.push_back(operation);
        std::stable_sort(expected.begin(), expected.end(),
                         [](const Operation* a, const Operation* b) { return a->time_ns < b->time_ns; });
        std::vector<Operation*> due;
        timers.wheel.expire(now, [&](Operation& operation) { due.push_back(&operation); });
        ASSERT_EQ(due, expected) << "round " << round;
        std::erase_if(waiting, [&](const Operation* operation) { return operation->time_ns <= now; });
        ASSERT_EQ(timers.wheel.empty(), waiting.empty());
    }
}

}  // namespace
}  // namespace tiffany::detail
