// How long LTTng can have waited, by how often its thread slept.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
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
    std::uint64_t sleeps;  // of its thread, as the kernel counts them: no fewer than it had to go by
};

std::uint64_t sleeps_of_thread() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return static_cast<std::uint64_t>(usage.ru_nvcsw);
}

Charged charged(const std::function<void()>& call) {
    LttngPolls polls;
    const std::uint64_t sleeps = sleeps_of_thread();
    const std::uint64_t began = kernel_ns();
    polls.prepare(began);
    call();
    const std::uint64_t now = kernel_ns();
    const std::uint64_t most_ns = polls.most_ns(began, now);
    return {most_ns, now - began, sleeps_of_thread() - sleeps};
}

/// What a call of 20 ms that does not sleep is charged: of several the least, since a page that has to be read from the
/// disk is a sleep.
std::uint64_t undisturbed() {
    std::uint64_t least = ~std::uint64_t{0};
    for (int i = 0; i < 20 && least != 0; ++i)
        least = std::min(least, charged([] {
                                    for (const std::uint64_t end = kernel_ns() + 20'000'000; kernel_ns() < end;) {
                                    }
                                }).most_ns);
    return least;
}

TEST(LttngPolls, ManyShortSleepsMayAllBeWaits) {
    constexpr int kSleeps = 10;
    const Charged all = charged([] {
        for (int i = 0; i < kSleeps; ++i)
            std::this_thread::sleep_for(10ms);
    });
    EXPECT_GE(all.most_ns, std::min(all.took_ns, kSleeps * LttngPolls::kPollNs));
    EXPECT_LE(all.most_ns, all.took_ns);
}

TEST(LttngPolls, ALongSleepIsNoLongerThanOnePoll) {
    const Charged all = charged([] { std::this_thread::sleep_for(2s); });
    EXPECT_GE(all.most_ns, LttngPolls::kPollNs);
    EXPECT_LE(all.most_ns, all.sleeps * LttngPolls::kPollNs) << "what else it slept for seems to be polls";
}

TEST(LttngPolls, WhoDoesNotSleepDoesNotWait) {
    std::this_thread::sleep_for(1ms);
    EXPECT_EQ(undisturbed(), 0u);
}

TEST(LttngPolls, NorDoesAThreadThatNeverSlept) {
    bool was_new = false;
    for (int i = 0; i < 100 && !was_new; ++i)
        std::thread{[&] {
            if (sleeps_of_thread() != 0) return;  // its start was disturbed
            was_new = true;
            EXPECT_EQ(undisturbed(), 0u);
        }}.join();
    EXPECT_TRUE(was_new);
}

}  // namespace
}  // namespace tiffany::detail
