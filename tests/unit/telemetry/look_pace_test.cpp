// How often a worker looks for new listeners, by the length of its ticks.

#include "telemetry/look_pace.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace tiffany::detail {
namespace {

TEST(LookPace, IsOneLookIn64TicksWhileTheyAreShort) {
    std::uint32_t ticks = 1;
    std::vector<std::uint32_t> paces;
    for (int i = 0; i < 8; ++i)
        paces.push_back(ticks = ticks_until_look(ticks, 1000));
    EXPECT_EQ(paces, (std::vector<std::uint32_t>{2, 4, 8, 16, 32, 64, 64, 64}));
}

TEST(LookPace, IsNeverMuchMoreThan100MsForTicksOfAnyLength) {
    for (const std::uint64_t tick_ns : {1'000'000u, 3'000'000u, 20'000'000u, 70'000'000u, 99'999'999u}) {
        std::uint32_t ticks = 64;  // they were short until now
        ticks = ticks_until_look(ticks, ticks * tick_ns);
        for (int i = 0; i < 100; ++i) {
            ASSERT_LE(ticks * tick_ns, 2 * kLookEveryNs) << tick_ns << " ns";
            ticks = ticks_until_look(ticks, ticks * tick_ns);
        }
    }
    std::uint32_t ticks = ticks_until_look(64, 64 * kLookEveryNs);
    EXPECT_EQ(ticks, 1u) << "one that long is enough to know";
    EXPECT_EQ(ticks_until_look(1, 5 * kLookEveryNs), 1u);
    EXPECT_EQ(ticks_until_look(64, kLookEveryNs), 64u) << "exactly in time";
}

}  // namespace
}  // namespace tiffany::detail
