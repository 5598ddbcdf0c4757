// How long LTTng can have waited, by how often its thread slept.

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <thread>
#include <tiffany/telemetry/detail/lttng_polls.hpp>

#include "telemetry/kernel_time.hpp"

namespace tiffany::detail {
namespace {

using namespace std::chrono_literals;

struct Charged {
    std::uint64_t most_ns;
    std::uint64_t took_ns;
};

Charged charged(const std::function<void()>& call) {
    std::this_thread::sleep_for(1ms);  // a thread that never slept is not known to be counted
    LttngPolls polls;
    const std::uint64_t began = kernel_ns();
    polls.prepare(began);
    call();
    const std::uint64_t now = kernel_ns();
    return {polls.most_ns(began, now), now - began};
}

TEST(LttngPolls, ManyShortSleepsMayAllBeWaits) {
    const Charged all = charged([] {
        for (int i = 0; i < 10; ++i)
            std::this_thread::sleep_for(10ms);
    });
    EXPECT_EQ(all.most_ns, all.took_ns);
}

TEST(LttngPolls, ALongSleepIsNoLongerThanOnePoll) {
    const Charged all = charged([] { std::this_thread::sleep_for(2s); });
    EXPECT_GE(all.most_ns, LttngPolls::kPollNs);
    EXPECT_LT(all.most_ns, all.took_ns / 2) << "but for what else it slept";
}

TEST(LttngPolls, WhoNeverSleepsDoesNotWait) {
    const Charged all = charged([] {
        for (const std::uint64_t end = kernel_ns() + 20'000'000; kernel_ns() < end;) {
        }
    });
    EXPECT_EQ(all.most_ns, 0u);
}

}  // namespace
}  // namespace tiffany::detail
