#include <gtest/gtest.h>
#include <time.h>

#include <tiffany/telemetry/clock.hpp>

namespace tiffany {
namespace {

TEST(VirtualClock, GoesOnOnlyWhenTold) {
    VirtualClock clock;
    const std::uint64_t begin = clock.ticks();
    EXPECT_EQ(clock.ticks(), begin);
    clock.advance(5);
    EXPECT_EQ(clock.to_ns(clock.ticks() - begin), 5u);
    EXPECT_EQ(clock.monotonic_ns(), begin + 5);
}

TEST(Clock, ADifferenceIsAtLeastOneNanosecond) {
    const VirtualClock clock;
    EXPECT_EQ(clock.to_ns(0), 1u);
    EXPECT_EQ(clock.to_ns(static_cast<std::uint64_t>(-3)), 1u) << "two CPUs' counters may be a few ticks apart";
}

TEST(VirtualClock, ATickIsExactlyANanosecondHoweverManyThereAre) {
    const VirtualClock clock;
    for (const std::uint64_t ns :
         {std::uint64_t{1}, std::uint64_t{999'999'999}, std::uint64_t{100'000'000'000'000'003}}) {
        EXPECT_EQ(clock.to_ns(ns), ns);
        EXPECT_EQ(clock.ticks_in(ns), ns);
    }
}

TEST(Clock, TicksInSomeNanosecondsAreAsLongAsThose) {
    const Clock& clock = Clock::system();  // its scale may be corrected meanwhile
    for (const std::uint64_t ns : {1'000u, 5'000'000u, 4'000'000'000u}) {
        EXPECT_LE(clock.to_ns(clock.ticks_in(ns)), ns + ns / 1'000);
        EXPECT_GE(clock.to_ns(clock.ticks_in(ns) + 1), ns - ns / 1'000);
    }
}

TEST(Clock, AgreesWithTheKernelsClock) {
    Clock& clock = Clock::system();
    clock.correct();
    const std::uint64_t before = clock.monotonic_ns();
    const std::uint64_t ticks = clock.ticks();
    const std::uint64_t after = clock.monotonic_ns();
    const timespec pause{.tv_sec = 0, .tv_nsec = 100'000'000};
    nanosleep(&pause, nullptr);
    // whatever the machine does, ours lies between
    const std::uint64_t inner_kernel = clock.monotonic_ns() - after;
    const std::uint64_t ours = clock.to_ns(clock.ticks() - ticks);
    const std::uint64_t outer_kernel = clock.monotonic_ns() - before;
    EXPECT_GE(ours, inner_kernel - inner_kernel / 200) << clock.name();
    EXPECT_LE(ours, outer_kernel + outer_kernel / 200) << clock.name();
}

}  // namespace
}  // namespace tiffany
