// How long the kernel let workers' threads wait for a CPU; and that nothing is told where the kernel does not say.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <latch>
#include <map>
#include <optional>
#include <string>
#include <telemetry/run_delay.hpp>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "../temporary_folder.hpp"

namespace tiffany {
namespace {

constexpr const char* kRunDelay = "scheduler_thread_run_delay_seconds_total";

/// By label `worker`, or "" where there is none; nothing if the family is not there.
std::optional<std::map<std::string, double>> told(const prometheus::Collectable& metrics) {
    for (const prometheus::MetricFamily& family : metrics.Collect()) {
        if (family.name != kRunDelay) continue;
        std::map<std::string, double> series;
        for (const prometheus::ClientMetric& metric : family.metric) {
            std::string worker;
            for (const auto& label : metric.label)
                if (label.name == "worker") worker = label.value;
            series[worker] = metric.counter.value;
        }
        return series;
    }
    return std::nullopt;
}

/// A folder of threads in which thread 7 has this file.
class Folder {
  public:
    explicit Folder(const char* text) {
        std::filesystem::create_directories(folder_.path() / "7");
        std::ofstream{folder_.path() / "7/schedstat"} << text;
    }
    const char* path() const { return folder_.path().c_str(); }

  private:
    tiffany::test::TemporaryFolder folder_;
};

TEST(RunDelay, IsTheSecondNumberOfTheKernelsFile) {
    EXPECT_EQ(detail::run_delay_ns(7, Folder{"4046000 1200 27\n"}.path()), 1200u);
    EXPECT_EQ(detail::run_delay_ns(7, Folder{"4046000 0 27\n"}.path()), 0u) << "it never waited";
    EXPECT_EQ(detail::run_delay_ns(7, Folder{"18446744073709551615 18446744073709551615 1\n"}.path()), UINT64_MAX);
}

TEST(RunDelay, IsNotKnownWhereTheKernelDoesNotCount) {
    EXPECT_EQ(detail::run_delay_ns(7, Folder{"0 0 0\n"}.path()), std::nullopt) << "what it writes then";
    for (const char* text : {"", "\n", "12", "12 x 3", "nothing to see"})
        EXPECT_EQ(detail::run_delay_ns(7, Folder{text}.path()), std::nullopt) << text;
    EXPECT_EQ(detail::run_delay_ns(8, Folder{"1 2 3\n"}.path()), std::nullopt) << "no such thread";
    EXPECT_EQ(detail::run_delay_ns(7, std::string(200, 'x').c_str()), std::nullopt);
}

TEST(RunDelay, OfManyThreadsIsReadByTurns) {
    const auto thread = static_cast<std::uint32_t>(gettid());
    if (!detail::run_delay_ns(thread)) GTEST_SKIP() << "the kernel tells no run delay";
    constexpr std::uint64_t kThreads = 500;
    std::map<std::uint64_t, int> read;
    std::atomic<std::size_t> turn{0};
    for (int scrape = 0; scrape < 4; ++scrape) {
        detail::RunDelays delays;
        for (std::uint64_t hold = kThreads; hold > 0; --hold)
            delays.want(hold, thread);
        ASSERT_TRUE(delays.read(turn));
        std::size_t now = 0;
        for (std::uint64_t hold = 1; hold <= kThreads; ++hold)
            if (delays.of(hold)) {
                ++now;
                ++read[hold];
            }
        EXPECT_EQ(now, detail::RunDelays::kMostRead);
    }
    EXPECT_EQ(read.size(), kThreads) << "all of them in four scrapes";
}

TEST(RunDelay, OfTwoSchedulersThreadsIsReadByTheTurnsOfEach) {
    if (!detail::run_delay_ns(static_cast<std::uint32_t>(gettid()))) GTEST_SKIP() << "the kernel tells no run delay";
    constexpr std::size_t kThreads = 2 * detail::RunDelays::kMostRead;
    SchedulerTelemetry first{"first"};
    SchedulerTelemetry second{"second"};
    std::latch taken{2 * kThreads};
    std::latch woken{2 * kThreads};
    std::latch end{1};
    std::vector<std::jthread> threads;
    for (SchedulerTelemetry* one : {&first, &second})
        for (std::size_t i = 0; i < kThreads; ++i)
            threads.emplace_back([&, one] {
                const WorkerLease worker = one->worker();
                taken.arrive_and_wait();  // all of them are woken at once: each waits for a CPU
                woken.count_down();
                end.wait();
            });
    woken.wait();
    const auto of_first = make_collectable(first, {.by_worker = true});
    const auto of_second = make_collectable(second, {.by_worker = true});
    for (int scrape = 0; scrape < 4; ++scrape)
        for (const auto* metrics : {&of_first, &of_second})
            EXPECT_TRUE(told(**metrics));
    for (const auto* metrics : {&of_first, &of_second}) {
        const std::map<std::string, double> series = told(**metrics).value_or(std::map<std::string, double>{});
        EXPECT_EQ(series.size(), kThreads);
        const auto waited = std::count_if(series.begin(), series.end(), [](const auto& one) { return one.second > 0; });
        EXPECT_GT(waited, static_cast<std::ptrdiff_t>(kThreads * 3 / 4)) << "a half of them is always passed over";
    }
    end.count_down();
}

/// Runs `body` in a forked child; its exit code.
template <typename Body>
int exit_code_of_a_child(const Body& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    int status = 0;
    while (waitpid(child, &status, 0) < 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// 0 if no series is there for a scheduler that has a worker, and its other metrics are.
int is_absent() {
    SchedulerTelemetry telemetry{"s"};
    const WorkerLease worker = telemetry.worker();
    for (const bool by_worker : {false, true})
        if (told(*make_collectable(telemetry, {.by_worker = by_worker}))) return 1;
    if (telemetry.snapshot().run_delay_known) return 2;
    return make_collectable(telemetry)->Collect().empty() ? 3 : 0;
}

TEST(RunDelay, IsAbsentAndNotZeroWhereNoFileTellsIt) {
    setenv("TIFFANY_LTTNG", "0", 1);
#ifndef __SANITIZE_ADDRESS__  // UBSan, which goes with it, opens a pipe to look whether an object is there
    EXPECT_EQ(exit_code_of_a_child([] {
                  const rlimit no_files{};
                  return setrlimit(RLIMIT_NOFILE, &no_files) != 0 ? 100 : is_absent();
              }),
              0)
        << "no file can be opened";
#endif
    const int with_no_proc = exit_code_of_a_child([] {
        if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
        if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
        return mount("none", "/proc", "tmpfs", 0, nullptr) != 0 ? 77 : is_absent();
    });
    if (with_no_proc == 77) GTEST_SKIP() << "no mount namespace to be had: not tried with an empty /proc";
    EXPECT_EQ(with_no_proc, 0) << "/proc is empty";
}

TEST(RunDelay, IsToldOfEachWorkersThreadAndGoesOnInTheSumAfterIt) {
    if (!detail::run_delay_ns(static_cast<std::uint32_t>(gettid()))) GTEST_SKIP() << "the kernel tells no run delay";
    SchedulerTelemetry telemetry{"delayed"};
    const auto sum = make_collectable(telemetry);
    const auto each = make_collectable(telemetry, {.by_worker = true});
    ASSERT_EQ(told(*sum)->size(), 1u) << "0, for the kernel would tell it";
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
    std::atomic<bool> stop{false};
    std::latch taken{2};
    // two threads that both want one CPU: each waits for it while the other has it
    const auto want_it = [&] {
        sched_setaffinity(0, sizeof one, &one);
        const WorkerLease worker = telemetry.worker();
        taken.count_down();
        while (!stop) {
        }
    };
    std::thread first{want_it};
    std::thread second{want_it};
    taken.wait();
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{60};
    std::map<std::string, double> by_worker;
    const auto all_waited = [&] {
        by_worker = told(*each).value_or(std::map<std::string, double>{});
        return by_worker.size() == 2 && by_worker.begin()->second > 0.01 && by_worker.rbegin()->second > 0.01;
    };
    while (!all_waited() && std::chrono::steady_clock::now() < deadline) {
    }
    stop = true;
    first.join();
    second.join();
    ASSERT_EQ(by_worker.size(), 2u);
    double last = 0;
    for (const auto& [worker, seconds] : by_worker) {
        EXPECT_GT(seconds, 0.01) << worker;
        EXPECT_NE(worker, "");
        last += seconds;
    }
    const double total = told(*sum)->at("");
    EXPECT_GE(total, last) << "what ended threads have waited stays";
    EXPECT_EQ(told(*sum)->at(""), total) << "and nobody waits any more";
}

}  // namespace
}  // namespace tiffany
