// Scrapes while workers and schedulers come and go: memory stays, totals stay, and each page is consistent.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>

#include <atomic>
#include <fstream>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "pages.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TEST_KEEPS_FREED_MEMORY 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define TEST_KEEPS_FREED_MEMORY 1
#endif
#endif
#ifndef TEST_KEEPS_FREED_MEMORY
#define TEST_KEEPS_FREED_MEMORY 0
#endif

namespace tiffany {
namespace {

void run_one(Worker& worker, std::uint16_t group = 0) {
    TaskTimes task;
    worker.spawned(task, {.name = "t", .group = group});
    worker.running(task);
    worker.sleep(task, 0);
    worker.ready(task, WakeCause::event);
    worker.running(task);
    worker.done(task);
}
constexpr std::uint64_t kTransitionsOfOne = 6;

std::size_t resident_kb() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);)
        if (line.rfind("VmRSS:", 0) == 0) return std::stoul(line.substr(6));
    return 0;
}

/// So many threads that hold their workers at once, and end.
void crowd(SchedulerTelemetry& telemetry, std::ptrdiff_t threads, std::uint16_t group) {
    std::latch all_hold{threads};
    std::vector<std::thread> running;
    for (std::ptrdiff_t i = 0; i < threads; ++i)
        running.emplace_back([&] {
            const WorkerLease worker = telemetry.worker();
            run_one(*worker, group);
            all_hold.arrive_and_wait();
        });
    for (std::thread& thread : running)
        thread.join();
}

TEST(Churn, TenThousandWorkersThatEndedAreInTheTotalsAndNotInMemory) {
    setenv("TIFFANY_LTTNG", "0", 1);
    constexpr std::ptrdiff_t kAtOnce = 100;
    constexpr int kCrowds = 100;
    SchedulerTelemetry telemetry{"crowds"};
    const std::uint16_t group = telemetry.group("reads");
    const auto metrics = make_collectable(telemetry);
    std::size_t before_kb = 0;
    double told = 0;
    for (int i = 0; i < kCrowds; ++i) {
        crowd(telemetry, kAtOnce, group);
        if (i == kCrowds / 10) before_kb = resident_kb();
        const Page page = page_of(scrape_text({metrics}));
        expect_consistent(page);
        const double done = page.at("tasks_running_total{scheduler=\"crowds\",state=\"done\"}");
        EXPECT_EQ(done, static_cast<double>((i + 1) * kAtOnce));
        EXPECT_GE(page.at("scheduler_busy_seconds_total{scheduler=\"crowds\"}"), told);
        told = page.at("scheduler_busy_seconds_total{scheduler=\"crowds\"}");
    }
    constexpr std::uint64_t kWorkers = kAtOnce * kCrowds;
    const MetricsSnapshot now = telemetry.snapshot(true);
    EXPECT_LE(now.each_worker.size(), 20u) << "the shards of the others are folded";
    EXPECT_EQ(now.workers, 0u);
    EXPECT_LE(worker_counts().indices, kAtOnce + 1u) << "their indices are used again";
    EXPECT_EQ(telemetry.transitions(), kWorkers * kTransitionsOfOne);
    EXPECT_EQ(telemetry.count(TaskEvent::Running), 2 * kWorkers);
    EXPECT_EQ(now.groups[1].run.count(), 2 * kWorkers);
    EXPECT_EQ(now.groups[1].wait[static_cast<std::size_t>(WaitKind::sleep)].count(), kWorkers);
    const std::size_t may_grow_kb = TEST_KEEPS_FREED_MEMORY != 0 ? 1'000'000 : 4'096;
    EXPECT_LT(resident_kb(), before_kb + may_grow_kb) << "9,000 workers later";
}

TEST(Churn, AWorkersSeqGoesOnThoughItsShardIsFolded) {
    SchedulerTelemetry telemetry{"seq"};
    for (int i = 0; i < 3; ++i)
        crowd(telemetry, 40, 0);
    std::uint64_t sum = 0;
    const MetricsSnapshot now = telemetry.snapshot();
    for (const std::uint64_t of_event : now.transitions)
        sum += of_event;
    EXPECT_EQ(sum, 3 * 40 * kTransitionsOfOne);
    EXPECT_EQ(telemetry.transitions(), sum);
}

// What TSan looks at. Tasks move between threads, so that a gauge is a difference of what two workers counted.
TEST(Churn, EachScrapeIsConsistentWhileWorkersAndSchedulersComeAndGo) {
    setenv("TIFFANY_LTTNG", "0", 1);
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> done{0};
    SchedulerTelemetry stays{"stays"};
    // the label `group` comes with a name's first group, and stays: no series is to change its name below
    SchedulerTelemetry{"goes"}.group("some");
    const auto all = make_schedulers_collectable();
    const auto own = make_collectable(stays, {.by_worker = true});
    std::vector<std::thread> threads;
    // workers of one scheduler, each for some tasks, half of which another thread ends
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&] {
            while (!stop) {
                TaskTimes moves;
                std::thread{[&] {
                    const WorkerLease worker = stays.worker();
                    for (int tasks = 0; tasks < 20; ++tasks)
                        run_one(*worker);
                    worker->park();
                    worker->unpark();
                    worker->spawned(moves, {.name = "moves"});
                }}.join();
                std::thread{[&] {
                    stays.here().running(moves);
                    stays.here().done(moves);
                }}.join();
                done += 21;
            }
        });
    // schedulers of two names, one of which is always there
    for (int i = 0; i < 2; ++i)
        threads.emplace_back([&, i] {
            while (!stop) {
                SchedulerTelemetry comes{i == 0 ? "stays" : "goes"};
                const std::uint16_t group = comes.group(i == 0 ? "" : "some");
                const auto its_own = make_collectable(comes);
                for (int tasks = 0; tasks < 10; ++tasks)
                    run_one(comes.here(), group);
                expect_consistent(page_of(scrape_text({its_own})));
                if (i == 0) done += 10;
            }
        });
    Page before;
    for (int scrapes = 0; scrapes < 100; ++scrapes) {
        const Page page = page_of(scrape_text({all}));
        expect_consistent(page);
        for (const auto& [series, value] : before)
            if (only_rises(series)) {
                EXPECT_TRUE(page.contains(series) && page.at(series) >= value) << series;
            }
        before = page;
        expect_consistent(page_of(scrape_text({own})));
    }
    stop = true;
    for (std::thread& thread : threads)
        thread.join();
    const Page page = page_of(scrape_text({all}));
    EXPECT_EQ(page.at("tasks_running_total{scheduler=\"stays\",state=\"done\"}"), static_cast<double>(done));
    EXPECT_EQ(page.at("scheduler_ready_queue_depth{scheduler=\"stays\"}"), 0);
    EXPECT_EQ(page.at("tasks_state{scheduler=\"stays\",state=\"Running\"}"), 0);
}

}  // namespace
}  // namespace tiffany
