// Schedulers that have one name, and schedulers that come and go.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <telemetry/scheduler_core.hpp>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/metrics/scrape_text.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "metrics.hpp"
#include "pages.hpp"

namespace tiffany {
namespace {

class Names : public ::testing::Test {
  protected:
    VirtualClock clock;

    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }

    std::unique_ptr<SchedulerTelemetry> make(std::string_view name, const MetricsBuckets& buckets = {}) {
        return std::make_unique<SchedulerTelemetry>(name, TelemetryOptions{.clock = &clock, .buckets = buckets});
    }
    void run(SchedulerTelemetry& telemetry, std::uint64_t ns, std::uint16_t group = 0) {
        TaskTimes task;
        telemetry.here().spawned(task, {.name = "t", .group = group});
        telemetry.here().running(task);
        clock.advance(ns);
        telemetry.here().done(task);
    }
};

TEST_F(Names, SchedulersOfOneNameAreOneInAScrape) {
    const auto first = make("twin");
    const auto second = make("twin");
    const std::vector<std::shared_ptr<prometheus::Collectable>> both{make_collectable(*first),
                                                                     make_collectable(*second)};
    run(*first, 3 * kMs);
    run(*second, 40 * kMs);
    TaskTimes ready_in_first;
    TaskTimes ready_in_second;
    first->here().spawned(ready_in_first, {.name = "t"});
    second->here().spawned(ready_in_second, {.name = "t"});
    TaskTimes long_run;
    TaskTimes short_run;
    first->here().spawned(long_run, {.name = "t"});
    first->here().running(long_run);
    clock.advance(7 * kMs);
    second->here().spawned(short_run, {.name = "t"});
    second->here().running(short_run);
    clock.advance(5 * kMs);
    const Page page = page_of(scrape_text(both));
    expect_consistent(page);
    EXPECT_EQ(page.at("scheduler_ready_queue_depth{scheduler=\"twin\"}"), 2);
    EXPECT_EQ(page.at("tasks_running_total{scheduler=\"twin\",state=\"done\"}"), 2);
    EXPECT_EQ(page.at("task_transitions_total{scheduler=\"twin\",event=\"Running\"}"), 4);
    EXPECT_EQ(page.at("task_run_latency_seconds_count{scheduler=\"twin\"}"), 2);
    EXPECT_DOUBLE_EQ(page.at("task_run_latency_seconds_sum{scheduler=\"twin\"}"), 0.043);
    EXPECT_EQ(page.at("task_run_latency_seconds_bucket{scheduler=\"twin\",le=\"0.005\"}"), 1);
    EXPECT_DOUBLE_EQ(page.at("scheduler_current_run_seconds{scheduler=\"twin\"}"), 0.012) << "the longest, no sum";
}

TEST_F(Names, NoCounterFallsWhenOneOfThemEnds) {
    const auto stays = make("pair");
    auto ends = make("pair");
    const auto metrics = make_collectable(*stays);
    const auto of_ends = make_collectable(*ends);
    run(*stays, 3 * kMs);
    run(*ends, 40 * kMs);
    TaskTimes left;
    ends->here().spawned(left, {.name = "t"});
    const Page before = page_of(scrape_text({metrics}));
    EXPECT_EQ(before.at("scheduler_ready_queue_depth{scheduler=\"pair\"}"), 1);
    ends.reset();
    EXPECT_TRUE(of_ends->Collect().empty());
    const Page after = page_of(scrape_text({of_ends, metrics}));
    expect_consistent(after);
    for (const auto& [series, value] : before)
        if (series.starts_with("scheduler_thread_run_delay")) {
            EXPECT_GE(after.at(series), value) << "the kernel goes on";
        } else if (only_rises(series)) {
            EXPECT_EQ(after.at(series), value) << series;
        }
    EXPECT_EQ(after.at("scheduler_ready_queue_depth{scheduler=\"pair\"}"), 0) << "its gauges end with it";
    EXPECT_EQ(after.at("task_run_latency_seconds_count{scheduler=\"pair\"}"), 2);
}

TEST_F(Names, OneThatIsAloneWithItsNameBeginsWithZero) {
    run(*make("alone"), kMs);
    const auto next = make("alone");
    EXPECT_EQ(page_of(scrape_text({make_collectable(*next)}))
                  .at("task_transitions_total{scheduler=\"alone\",event=\"Spawned\"}"),
              0);
}

// its collectable may ask while it ends
TEST_F(Names, OneThatHasEndedIsNotToldWithZeros) {
    detail::SchedulerCore core{"ended", clock, true, {}};
    EXPECT_EQ(detail::named_snapshots(&core, false).size(), 1u);
    core.close();
    EXPECT_TRUE(detail::named_snapshots(&core, false).empty());
}

TEST_F(Names, TheCollectableOfAllKnowsThoseThatComeAndThoseThatWent) {
    const auto all = make_schedulers_collectable();
    const std::string spawned = "task_transitions_total{scheduler=\"job\",event=\"Spawned\"}";
    for (int i = 1; i <= 5; ++i) {
        const auto job = make("job");
        run(*job, kMs);
        EXPECT_EQ(page_of(scrape_text({all})).at(spawned), i);
    }
    const Page page = page_of(scrape_text({all}));
    expect_consistent(page);
    EXPECT_EQ(page.at(spawned), 5);
    EXPECT_EQ(page.at("scheduler_workers{scheduler=\"job\"}"), 0);
    const SchedulerTelemetry off{"silent", {.metrics = false}};
    EXPECT_FALSE(page_of(scrape_text({all})).contains("scheduler_workers{scheduler=\"silent\"}"));
}

TEST_F(Names, NamesThatAreUsedOnceDoNotAddUp) {
    const auto all = make_schedulers_collectable();
    const auto lives = make("first of many");
    run(*make("first of many"), kMs);
    for (int i = 0; i < 1000; ++i)
        run(*make("job " + std::to_string(i)), kMs);
    const Page page = page_of(scrape_text({all}));
    std::size_t jobs = 0;
    for (const auto& [series, value] : page)
        jobs += series.rfind("scheduler_workers{scheduler=\"job ", 0) == 0 ? 1 : 0;
    EXPECT_EQ(jobs, 64u);
    EXPECT_TRUE(page.contains("scheduler_workers{scheduler=\"job 999\"}"));
    EXPECT_EQ(page.at("task_transitions_total{scheduler=\"first of many\",event=\"Spawned\"}"), 1)
        << "one of its name lives: it is not forgotten";
}

TEST_F(Names, HistogramsWithOtherBoundsAreToldOnTheBoundsThatAllHave) {
    const auto first = make("bounds", {.run_ns = {1 * kMs, 5 * kMs, 10 * kMs, 50 * kMs}});
    auto second = make("bounds", {.run_ns = {2 * kMs, 5 * kMs, 50 * kMs, 100 * kMs}});
    second->group("only in the second");
    for (const std::uint64_t ms : {1u, 5u, 6u, 50u, 51u}) {
        run(*first, ms * kMs);
        run(*second, ms * kMs, 1);
    }
    const auto metrics = make_collectable(*first);
    for (int i = 0; i < 2; ++i) {
        const Page page = page_of(scrape_text({metrics}));
        expect_consistent(page);
        for (const char* group : {"", "only in the second"}) {
            const std::string begin =
                std::string{"task_run_latency_seconds_bucket{scheduler=\"bounds\",group=\""} + group + "\",le=\"";
            EXPECT_EQ(page.at(begin + "0.005\"}"), 2);
            EXPECT_EQ(page.at(begin + "0.05\"}"), 4);
            EXPECT_EQ(page.at(begin + "+Inf\"}"), 5);
            for (const char* only_one : {"0.001", "0.002", "0.01", "0.1"})
                EXPECT_FALSE(page.contains(begin + only_one + "\"}")) << only_one;
        }
        second.reset();  // what it counted stays, and its bounds with it
    }
}

TEST_F(Names, GroupsOfOneNameAreOneAndThereAreNoMoreThanOfOneScheduler) {
    std::vector<std::unique_ptr<SchedulerTelemetry>> schedulers;
    for (int i = 0; i < 3; ++i) {
        schedulers.push_back(make("groups"));
        run(*schedulers.back(), kMs, schedulers.back()->group("shared"));
        for (int of_its_own = 0; of_its_own < 20; ++of_its_own)
            run(*schedulers.back(), kMs,
                schedulers.back()->group(std::to_string(i) + "." + std::to_string(of_its_own)));
    }
    const Page page = page_of(scrape_text({make_collectable(*schedulers[0])}));
    const std::string count = "task_run_latency_seconds_count{scheduler=\"groups\",group=\"";
    EXPECT_EQ(page.at(count + "shared\"}"), 3);
    std::size_t groups = 0;
    double runs = 0;
    for (const auto& [series, value] : page)
        if (series.rfind(count, 0) == 0) {
            ++groups;
            runs += value;
        }
    EXPECT_EQ(groups, 32u);
    EXPECT_EQ(runs, 63) << "those of the groups that found no place are the default one's";
    EXPECT_EQ(page.at(count + "\"}"), 30);
}

TEST_F(Names, WithTheLabelWorkerEachOfThemHasItsOwn) {
    const auto first = make("workers");
    const auto second = make("workers");
    run(*first, kMs);
    run(*second, kMs);
    run(*second, kMs);
    const Page page = page_of(
        scrape_text({make_collectable(*first, {.by_worker = true}), make_collectable(*second, {.by_worker = true})}));
    std::vector<double> done;
    for (const auto& [series, value] : page)
        if (series.rfind("tasks_running_total{scheduler=\"workers\",worker=", 0) == 0 &&
            series.find("state=\"done\"") != std::string::npos)
            done.push_back(value);
    EXPECT_THAT(done, ::testing::UnorderedElementsAre(1, 2));
    EXPECT_EQ(page.at("scheduler_ready_queue_depth{scheduler=\"workers\"}"), 0);
}

TEST_F(Names, AForkedChildKnowsNothingOfThoseThatEndedBefore) {
    run(*make("parent's"), kMs);
    const auto lives = make("fork");
    run(*make("fork"), kMs);
    const pid_t child = fork();
    if (child == 0) {
        const Page page = page_of(scrape_text({make_schedulers_collectable()}));
        const bool right = !page.contains("scheduler_workers{scheduler=\"parent's\"}") &&
                           page.at("task_transitions_total{scheduler=\"fork\",event=\"Spawned\"}") == 0;
        _exit(right ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace tiffany
