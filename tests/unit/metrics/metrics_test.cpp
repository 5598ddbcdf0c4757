// The metrics as a scrape sees them. Time comes from a clock that the test moves; expected numbers are counted by hand.

#include "metrics.hpp"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <locale>
#include <set>
#include <sstream>
#include <thread>

namespace tiffany {
namespace {

TEST_F(Metrics, TheReadyQueueRisesWithPushesAndFallsWithPops) {
    const auto depth = [&] { return gauge("scheduler_ready_queue_depth"); };
    EXPECT_EQ(depth(), 0);
    worker.spawned(task, {.name = "t"});
    EXPECT_EQ(depth(), 1);
    TaskTimes second;
    worker.spawned(second, {.name = "t"});
    EXPECT_EQ(depth(), 2);
    worker.running(task);
    EXPECT_EQ(depth(), 1);
    worker.yield(task);
    EXPECT_EQ(depth(), 2);
    worker.running(task);
    worker.throttled(task, 0);
    EXPECT_EQ(depth(), 2) << "past its quantum it stays ready";
    worker.running(task);
    worker.throttled(task, 5);
    EXPECT_EQ(depth(), 1) << "past its budget it does not";
    worker.ready(task, WakeCause::quota);
    EXPECT_EQ(depth(), 2);
    worker.cancelled(second, CancelCause::asked);
    EXPECT_EQ(depth(), 1);
    worker.running(task);
    worker.done(task);
    EXPECT_EQ(depth(), 0);
}

TEST_F(Metrics, AfterEachTransitionTheGaugesShowTheTasksState) {
    const auto expect_in = [&](TaskTimes& each, TaskState state) {
        EXPECT_EQ(each.state(), state);
        const MetricsSnapshot now = telemetry.snapshot();
        for (const TaskState live :
             {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
            EXPECT_EQ(now.states[static_cast<std::size_t>(live)], live == state ? 1u : 0u) << label(live);
    };
    const auto live = [&](Worker& by, Stamp at) {
        TaskTimes each;
        const auto run = [&] {
            by.ready(each, WakeCause::event, 0, 0, at);
            expect_in(each, TaskState::Ready);
            by.running(each, at);
            expect_in(each, TaskState::Running);
        };
        by.spawned(each, {.name = "t", .waiting = true}, at);
        expect_in(each, TaskState::Waiting);
        run();
        by.sleep(each, 1, at);
        expect_in(each, TaskState::Sleeping);
        run();
        by.iowait(each, 1, at);
        expect_in(each, TaskState::Waiting);
        run();
        by.join(each, 1, at);
        expect_in(each, TaskState::Waiting);
        run();
        by.wait(each, WaitReason::lock, 1, at);
        expect_in(each, TaskState::Waiting);
        run();
        by.throttled(each, 1, at);
        expect_in(each, TaskState::Throttled);
        run();
        by.throttled(each, 0, at);
        expect_in(each, TaskState::Ready);
        by.running(each, at);
        by.yield(each, at);
        expect_in(each, TaskState::Ready);
        by.cancelled(each, CancelCause::asked, 0, at);
        expect_in(each, TaskState::Cancelled);
    };
    live(worker, {});
    live(*lease, Stamp{7});
    EXPECT_EQ(telemetry.count(TaskEvent::Throttled), 4u) << "both kinds are one event";
    EXPECT_EQ(telemetry.count(TaskEvent::Spawned), 2u);
}

TEST_F(Metrics, StampsAreWhatTheHistogramsMeasure) {
    lease->spawned(task, {.name = "t"}, Stamp{100});
    lease->running(task, Stamp{100 + 2 * kMs});
    lease->yield(task, Stamp{100 + 9 * kMs});
    lease->running(task, Stamp{100 + 9 * kMs});
    lease->sleep(task, 0, Stamp{100 + 12 * kMs});
    lease->ready(task, WakeCause::timer, 0, 0, Stamp{100 + 16 * kMs});
    lease->running(task, Stamp{100 + 17 * kMs});
    const auto run = series("task_run_latency_seconds").histogram;
    EXPECT_EQ(run.sample_count, 2u);
    EXPECT_DOUBLE_EQ(run.sample_sum, 0.010);
    EXPECT_EQ(run.bucket[1].cumulative_count, 1u) << "3 ms is at most 5 ms, 7 ms is more";
    const auto delay = series("task_ready_delay_seconds").histogram;
    EXPECT_EQ(delay.sample_count, 3u);
    EXPECT_DOUBLE_EQ(delay.sample_sum, 0.003000001) << "the second is no time: 1 ns";
    const auto wait = series("task_wait_time_seconds", {{"reason", "sleep"}}).histogram;
    EXPECT_EQ(wait.sample_count, 1u);
    EXPECT_DOUBLE_EQ(wait.sample_sum, 0.005);
}

TEST_F(Metrics, AGroupsStampedRunsAreItsOwn) {
    const std::uint16_t group = telemetry.group("reads");
    for (const std::uint16_t number : {group, std::uint16_t{31}, std::uint16_t{99}}) {
        TaskTimes each;
        lease->spawned(each, {.name = "t", .group = number}, Stamp{1});
        lease->running(each, Stamp{1});
        lease->done(each, Stamp{2});
    }
    EXPECT_EQ(series("task_run_latency_seconds", {{"group", "reads"}}).histogram.sample_count, 1u);
    EXPECT_EQ(series("task_run_latency_seconds", {{"group", ""}}).histogram.sample_count, 2u);
}

TEST_F(Metrics, ATaskThatWaitsForDependenciesIsNotInTheQueue) {
    worker.spawned(task, {.name = "t", .waiting = true});
    EXPECT_EQ(gauge("scheduler_ready_queue_depth"), 0);
    EXPECT_EQ(gauge("tasks_state", {{"state", "Waiting"}}), 1);
}

TEST_F(Metrics, EndedTasksAreCountedByHow) {
    for (int i = 0; i < 6; ++i) {
        TaskTimes each;
        worker.spawned(each, {.name = "t"});
        worker.running(each);
        if (i < 3)
            worker.done(each);
        else if (i < 5)
            worker.failed(each, "why");
        else
            worker.cancelled(each, CancelCause::asked);
    }
    EXPECT_EQ(counter("tasks_running_total", {{"state", "done"}}), 3);
    EXPECT_EQ(counter("tasks_running_total", {{"state", "failed"}}), 2);
    EXPECT_EQ(counter("tasks_running_total", {{"state", "cancelled"}}), 1);
    for (const char* state : {"Ready", "Running", "Sleeping", "Waiting", "Throttled"})
        EXPECT_EQ(gauge("tasks_state", {{"state", state}}), 0) << state;
}

TEST_F(Metrics, TheSumOfTheTransitionsIsTheSumOfTheWorkersSeq) {
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    worker.sleep(task, 5);
    worker.ready(task, WakeCause::timer);
    worker.running(task);
    worker.done(task);
    double sum = 0;
    for (std::size_t i = 0; i < kTransitions; ++i)
        sum += counter("task_transitions_total", {{"event", std::string{label(static_cast<TaskEvent>(i))}}});
    EXPECT_EQ(sum, 6);
    EXPECT_EQ(static_cast<std::uint64_t>(sum), telemetry.transitions());
    EXPECT_EQ(counter("task_transitions_total", {{"event", "Running"}}), 2);
    EXPECT_EQ(counter("task_budget_throttle_total"), 0);
}

TEST_F(Metrics, ARunOnABoundGoesIntoThatBucket) {
    const auto run_of = [&](std::uint64_t ns) {
        TaskTimes each;
        worker.spawned(each, {.name = "t"});
        worker.running(each);
        clock.advance(ns);
        worker.done(each);
    };
    run_of(1 * kMs);
    run_of(1 * kMs + 1);
    run_of(5 * kMs);
    run_of(3000 * kMs);
    const auto histogram = series("task_run_latency_seconds").histogram;
    ASSERT_EQ(histogram.bucket.size(), 9u);
    const std::array bounds{0.001, 0.005, 0.010, 0.050, 0.100, 0.250, 0.5, 1.0, 2.0};
    for (std::size_t i = 0; i < bounds.size(); ++i)
        EXPECT_EQ(histogram.bucket[i].upper_bound, bounds[i]);
    EXPECT_EQ(histogram.bucket[0].cumulative_count, 1u);
    EXPECT_EQ(histogram.bucket[1].cumulative_count, 3u);
    EXPECT_EQ(histogram.bucket[8].cumulative_count, 3u);
    EXPECT_EQ(histogram.sample_count, 4u);
    EXPECT_DOUBLE_EQ(histogram.sample_sum, 3.007000001);
}

TEST_F(Metrics, AWaitIsToldByItsReasonAndAReadyDelayByItsOwnBuckets) {
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    worker.iowait(task, 3);
    clock.advance(20 * kMs);
    worker.ready(task, WakeCause::io);
    clock.advance(50'000);
    worker.running(task);
    const auto wait = series("task_wait_time_seconds", {{"reason", "iowait"}}).histogram;
    EXPECT_EQ(wait.sample_count, 1u);
    EXPECT_DOUBLE_EQ(wait.sample_sum, 0.02005);
    EXPECT_EQ(wait.bucket[2].cumulative_count, 0u);
    EXPECT_EQ(wait.bucket[3].cumulative_count, 1u);
    EXPECT_EQ(series("task_wait_time_seconds", {{"reason", "sleep"}}).histogram.sample_count, 0u);
    const auto delay = series("task_ready_delay_seconds").histogram;
    EXPECT_EQ(delay.sample_count, 2u) << "one after the spawn, 1 ns, and one after the wait, 50 us";
    EXPECT_EQ(delay.bucket[0].upper_bound, 1e-6);
    EXPECT_EQ(delay.bucket[0].cumulative_count, 1u);
    EXPECT_EQ(delay.bucket[1].cumulative_count, 1u);
    EXPECT_EQ(delay.bucket[2].cumulative_count, 2u);
}

TEST_F(Metrics, GroupsBecomeALabelOnceThereAreAny) {
    EXPECT_EQ(series("task_run_latency_seconds").histogram.sample_count, 0u);
    const std::uint16_t group = telemetry.group("reads");
    worker.spawned(task, {.name = "t", .group = group});
    worker.running(task);
    worker.done(task);
    TaskTimes stray;
    worker.spawned(stray, {.name = "t", .group = 31});
    worker.running(stray);
    worker.done(stray);
    EXPECT_EQ(series("task_run_latency_seconds", {{"group", "reads"}}).histogram.sample_count, 1u);
    EXPECT_EQ(series("task_run_latency_seconds", {{"group", ""}}).histogram.sample_count, 1u)
        << "a group that nobody registered counts as the default one";
}

TEST_F(Metrics, BusyTimeIsTimeNotParkedAndARunThatGoesOnIsSeen) {
    clock.advance(2'000 * kMs);
    worker.park();
    clock.advance(10'000 * kMs);
    EXPECT_DOUBLE_EQ(counter("scheduler_busy_seconds_total"), 2.0) << "parked now";
    worker.unpark();
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    clock.advance(500 * kMs);
    EXPECT_DOUBLE_EQ(counter("scheduler_busy_seconds_total"), 2.5);
    EXPECT_DOUBLE_EQ(gauge("scheduler_current_run_seconds"), 0.5);
    worker.yield(task);
    EXPECT_EQ(gauge("scheduler_current_run_seconds"), 0);
    EXPECT_EQ(gauge("scheduler_workers"), 1);
}

TEST_F(Metrics, AMovedTaskIsCountedOnceThoughTwoWorkersSawIt) {
    worker.spawned(task, {.name = "t"});
    std::thread other{[&] {
        telemetry.here().running(task);
        telemetry.here().done(task);
    }};
    other.join();
    EXPECT_EQ(gauge("scheduler_ready_queue_depth"), 0);
    EXPECT_EQ(gauge("tasks_state", {{"state", "Running"}}), 0);
    EXPECT_EQ(counter("tasks_running_total", {{"state", "done"}}), 1);
    EXPECT_EQ(gauge("scheduler_workers"), 1) << "the other thread's was given back";
}

TEST_F(Metrics, NothingIsCollectedAfterTheSchedulerDiedOrWithMetricsOff) {
    std::shared_ptr<prometheus::Collectable> of_dead;
    {
        const SchedulerTelemetry dies{"dies"};
        of_dead = make_collectable(dies);
        EXPECT_FALSE(of_dead->Collect().empty());
    }
    EXPECT_TRUE(of_dead->Collect().empty());
    const SchedulerTelemetry off{"off", {.metrics = false}};
    EXPECT_TRUE(make_collectable(off)->Collect().empty());
}

TEST_F(Metrics, APrefixStandsBeforeEveryName) {
    for (const MetricFamily& family : make_collectable(telemetry, {.prefix = "app_"})->Collect())
        EXPECT_EQ(family.name.rfind("app_", 0), 0u) << family.name;
    EXPECT_THROW(make_collectable(telemetry, {.prefix = "9 "}), std::invalid_argument);
}

/// {a series, without its worker: its numbers}, summed over the workers. With what labels `worker` was seen on.
std::map<std::string, std::vector<double>> sums(const prometheus::Collectable& metrics,
                                                std::map<std::string, std::set<std::string>>& workers) {
    std::map<std::string, std::vector<double>> sums;
    for (const MetricFamily& family : metrics.Collect())
        for (const ClientMetric& metric : family.metric) {
            std::string key = family.name;
            for (const auto& label : metric.label)
                if (label.name == "worker")
                    workers[family.name].insert(label.value);
                else
                    key += "," + label.name + "=" + label.value;
            std::vector<double> numbers{metric.counter.value, metric.gauge.value, metric.histogram.sample_sum,
                                        static_cast<double>(metric.histogram.sample_count)};
            for (const auto& bucket : metric.histogram.bucket)
                numbers.push_back(static_cast<double>(bucket.cumulative_count));
            std::vector<double>& sum = sums[key];
            sum.resize(numbers.size());
            for (std::size_t i = 0; i < numbers.size(); ++i)
                sum[i] += numbers[i];
        }
    return sums;
}

TEST_F(Metrics, TheSeriesOfTheWorkersAddUpToThoseWithoutTheLabel) {
    const std::uint16_t group = telemetry.group("reads");
    const auto some_work = [&](Worker& by, std::uint64_t ms) {
        TaskTimes mine;
        by.spawned(mine, {.name = "t", .group = group});
        for (int i = 0; i < 3; ++i) {
            clock.advance(ms * kMs);
            by.running(mine);
            clock.advance(ms * kMs);
            by.sleep(mine, 1);
            clock.advance(ms * kMs);
            by.ready(mine, WakeCause::timer);
        }
        by.running(mine);
        by.throttled(mine, 0);
        by.running(mine);
        by.done(mine);
    };
    some_work(worker, 3);
    worker.spawned(task, {.name = "moves"});
    std::uint64_t other_id = 0;
    std::thread other{[&] {
        other_id = telemetry.here().id();
        some_work(telemetry.here(), 70);
        telemetry.here().running(task);
    }};
    other.join();
    const bool delay_told = telemetry.snapshot().run_delay_known;
    std::map<std::string, std::set<std::string>> none;
    std::map<std::string, std::set<std::string>> workers;
    auto all = sums(*metrics, none);
    auto each = sums(*make_collectable(telemetry, {.by_worker = true}), workers);
    EXPECT_TRUE(none.empty()) << "only on request";
    for (auto* found : {&all, &each})
        found->erase("scheduler_thread_run_delay_seconds_total,scheduler=s");  // the kernel goes on
    ASSERT_EQ(all.size(), each.size());
    for (const auto& [key, numbers] : all)
        for (std::size_t i = 0; i < numbers.size(); ++i)
            EXPECT_NEAR(each[key].at(i), numbers[i], 1e-9) << key << ", number " << i;
    const std::set<std::string> both{std::to_string(worker.id() & 0xffff), std::to_string(other_id & 0xffff)};
    ASSERT_EQ(both.size(), 2u);
    std::map<std::string, std::set<std::string>> wanted;
    for (const char* name : {"tasks_running_total", "task_transitions_total", "task_budget_throttle_total",
                             "scheduler_busy_seconds_total", "tiffany_lttng_left_out_total", "task_run_latency_seconds",
                             "task_wait_time_seconds", "task_ready_delay_seconds"})
        wanted[name] = both;
    if (delay_told) wanted["scheduler_thread_run_delay_seconds_total"] = both;
    EXPECT_EQ(workers, wanted) << "no gauge has it: only their sum means something";
}

TEST_F(Metrics, BucketsAreEachHistogramsOwnAndMustRise) {
    const SchedulerTelemetry own{"s",
                                 {.clock = &clock, .buckets = {.run_ns = {10}, .wait_ns = {}, .ready_ns = {1, 2}}}};
    const MetricsSnapshot now = own.snapshot();
    EXPECT_EQ(now.groups[0].run.upper_ns, (std::vector<std::uint64_t>{10}));
    EXPECT_EQ(now.groups[0].wait[1].counts.size(), 1u);
    EXPECT_EQ(now.groups[0].ready.counts.size(), 3u);
    EXPECT_THROW((SchedulerTelemetry{"s", {.buckets = {.run_ns = {10, 10}}}}), std::invalid_argument);
    EXPECT_THROW((SchedulerTelemetry{"s", {.buckets = {.run_ns = std::vector<std::uint64_t>(33)}}}),
                 std::invalid_argument);
}

TEST(Bounds, FindTheBucketOfEveryValueAsAPlainSearchWould) {
    const std::vector<std::uint64_t> upper{1, 2, 3, 7, 8, 9, 1000, 1024, 1'000'000, UINT64_MAX - 1};
    const detail::Bounds bounds{upper};
    const auto searched = [&](std::uint64_t value) {
        return static_cast<std::size_t>(std::lower_bound(upper.begin(), upper.end(), value) - upper.begin());
    };
    for (std::uint64_t value = 1; value < 3000; ++value)
        EXPECT_EQ(bounds.bucket(value), searched(value)) << value;
    for (const std::uint64_t bound : upper)
        for (const std::uint64_t value : {std::max(bound - 1, std::uint64_t{1}), bound, bound + 1})
            EXPECT_EQ(bounds.bucket(value), searched(value)) << value;
}

std::string text_of(const prometheus::Collectable& metrics) {
    return prometheus::TextSerializer{}.Serialize(metrics.Collect());
}

TEST(Scrape, NumbersDoNotDependOnTheLocale) {
    struct Elsewhere : std::numpunct<char> {
        char do_decimal_point() const override { return ','; }
        char do_thousands_sep() const override { return '.'; }
        std::string do_grouping() const override { return "\3"; }
    };
    SchedulerTelemetry telemetry{"s"};
    TaskTimes task;
    for (int i = 0; i < 1500; ++i)
        telemetry.here().spawned(task, {.name = "t"});
    const auto metrics = make_collectable(telemetry);
    const std::locale before = std::locale::global(std::locale{std::locale{}, new Elsewhere});
    std::ostringstream proof;
    proof << 1234.5;
    const std::string text = text_of(*metrics);
    std::locale::global(before);
    ASSERT_EQ(proof.str(), "1.234,5") << "the test's own locale has no effect";
    EXPECT_NE(text.find("le=\"0.001\""), std::string::npos) << text;
    EXPECT_NE(text.find("{scheduler=\"s\",event=\"Spawned\"} 1500\n"), std::string::npos) << text;
}

TEST(Scrape, ANameIsTheOneInTheTracesWhateverItWasMadeOf) {
    const auto served = [](std::string_view name) {
        const SchedulerTelemetry telemetry{name};
        const std::string text = text_of(*make_collectable(telemetry));
        const std::string begin = "scheduler_workers{scheduler=\"";
        const std::size_t found = text.find(begin);
        const std::size_t end = text.find("\"} 0\n", found);
        if (found == std::string::npos || end == std::string::npos) return "no such series in " + text;
        EXPECT_EQ(telemetry.snapshot().scheduler, telemetry.name());
        return text.substr(found + begin.size(), end - found - begin.size());
    };
    const std::string replaced = "\xEF\xBF\xBD";
    EXPECT_EQ(served("io-pool"), "io-pool");
    EXPECT_EQ(served(""), "");
    EXPECT_EQ(served("a\xff\xfe"), "a" + replaced + replaced);
    EXPECT_EQ(served(std::string_view{"a\0b", 3}), "a" + replaced + "b");
    EXPECT_EQ(served(std::string(63, 'x')), std::string(63, 'x'));
    EXPECT_EQ(served(std::string(200, 'x')), std::string(63, 'x'));
    EXPECT_EQ(served(std::string(62, 'x') + "\xC3\xA4"), std::string(62, 'x')) << "cut before the character";
    EXPECT_EQ(served("say \"a\\b\"\n"), "say \\\"a\\\\b\\\"\\n");
}

TEST(Scrape, AGroupsNameIsMendedTooAndNoneOfThemIsEmpty) {
    SchedulerTelemetry telemetry{"s"};
    EXPECT_EQ(telemetry.group(""), 0) << "the default group's";
    EXPECT_EQ(telemetry.group("a\xff"), 1);
    EXPECT_EQ(telemetry.group(std::string(200, 'x')), 2);
    EXPECT_EQ(telemetry.group(std::string(63, 'x')), 2) << "the same when it is cut";
    std::set<std::string> series;
    const auto families = make_collectable(telemetry)->Collect();
    for (const MetricFamily& family : families)
        for (const ClientMetric& metric : family.metric) {
            std::string labels = family.name;
            for (const auto& label : metric.label)
                labels += " " + label.name + "=" + label.value;
            EXPECT_TRUE(series.insert(labels).second) << "twice: " << labels;
        }
    const std::string run = "task_run_latency_seconds scheduler=s group=";
    EXPECT_TRUE(series.contains(run + "a\xEF\xBF\xBD"));
    EXPECT_TRUE(series.contains(run + std::string(63, 'x')));
}

}  // namespace
}  // namespace tiffany
