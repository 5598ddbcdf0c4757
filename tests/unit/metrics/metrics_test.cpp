// The metrics as a scrape sees them. Time comes from a clock that the test moves; expected numbers are counted by hand.

#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <locale>
#include <map>
#include <set>
#include <sstream>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/hooks.hpp>

namespace tiffany {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using Labels = std::map<std::string, std::string>;

constexpr std::uint64_t kMs = 1'000'000;

class Metrics : public ::testing::Test {
  protected:
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.metrics = true, .clock = &clock}};
    std::shared_ptr<prometheus::Collectable> metrics = make_collectable(telemetry);
    Worker& worker = telemetry.here();
    TaskTimes task;

    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }

    /// One series; a test fails if it is not there.
    ClientMetric series(const std::string& name, const Labels& labels = {}) const {
        for (const MetricFamily& family : metrics->Collect()) {
            if (family.name != name) continue;
            for (const ClientMetric& metric : family.metric) {
                Labels found;
                for (const auto& label : metric.label)
                    found[label.name] = label.value;
                EXPECT_EQ(found["scheduler"], "s");
                found.erase("scheduler");
                if (found == labels) return metric;
            }
        }
        ADD_FAILURE() << "no series of " << name;
        return {};
    }
    double gauge(const std::string& name, const Labels& labels = {}) const { return series(name, labels).gauge.value; }
    double counter(const std::string& name, const Labels& labels = {}) const {
        return series(name, labels).counter.value;
    }
};

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

/// Runs `good` in a forked child. Returns whether it said true.
template <typename Good>
bool in_a_child(Good good) {
    const pid_t child = fork();
    if (child == 0) _exit(good() ? 0 : 1);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

std::uint64_t tasks_in(const SchedulerTelemetry& telemetry, TaskState state) {
    return telemetry.snapshot().states[static_cast<std::size_t>(state)];
}

TEST_F(Metrics, AForkedChildCountsFromZeroAndNoGaugeIsBelowIt) {
    worker.spawned(task, {.name = "t"});
    EXPECT_TRUE(in_a_child([&] {
        worker.running(task);
        const MetricsSnapshot now = telemetry.snapshot();
        return now.transitions[static_cast<std::size_t>(TaskEvent::Spawned)] == 0 &&
               now.transitions[static_cast<std::size_t>(TaskEvent::Running)] == 1 &&
               now.states[static_cast<std::size_t>(TaskState::Ready)] == 0;
    }));
}

TEST_F(Metrics, AForkedChildsGaugesAreThoseOfItsOwnTasks) {
    std::array<TaskTimes, 3> inherited;
    for (TaskTimes& one : inherited)
        worker.spawned(one, {});
    EXPECT_TRUE(in_a_child([&] {
        for (TaskTimes& one : inherited) {
            worker.running(one);
            worker.done(one);
        }
        std::array<TaskTimes, 2> own;
        for (TaskTimes& one : own)
            worker.spawned(one, {});
        if (tasks_in(telemetry, TaskState::Ready) != 2 || own[0].tid() <= inherited[2].tid()) return false;
        worker.running(own[0]);
        return tasks_in(telemetry, TaskState::Ready) == 1 && tasks_in(telemetry, TaskState::Running) == 1;
    }));
    EXPECT_EQ(tasks_in(telemetry, TaskState::Ready), 3u);
}

TEST(BusyTime, OfAForkedChildBeginsAtTheForkAndGoesOn) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    const WorkerLease worker = telemetry.worker();
    clock.advance(1'000);
    EXPECT_TRUE(in_a_child([&] {
        if (telemetry.snapshot().busy_ns > 1) return false;
        clock.advance(300);
        return telemetry.snapshot().busy_ns == 300;
    }));
    EXPECT_EQ(telemetry.snapshot().busy_ns, 1'000u);
}

TEST(BusyTime, NeverFallsWhileItsWorkersParkAndGoOn) {
    SchedulerTelemetry telemetry{"s"};  // the machine's clock
    std::atomic<bool> end{false};
    std::thread thread{[&] {
        const WorkerLease worker = telemetry.worker();
        while (!end) {
            worker->park();
            worker->unpark();
        }
    }};
    std::uint64_t last = 0;
    int fell = 0;
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t now = telemetry.snapshot().busy_ns;
        if (now < last) ++fell;
        last = now;
    }
    end = true;
    thread.join();
    EXPECT_EQ(fell, 0);
}

TEST(BusyTime, IsNotCountedTwiceByAScrapeThatMeetsAPark) {
    SchedulerTelemetry telemetry{"s"};
    const Clock& clock = telemetry.clock();
    const std::uint64_t began = clock.ticks();
    std::atomic<bool> end{false};
    std::thread thread{[&] {
        const WorkerLease worker = telemetry.worker();
        while (!end) {
            worker->park();
            worker->unpark();
        }
    }};
    int too_much = 0;
    for (int i = 0; i < 50'000; ++i) {
        const std::uint64_t busy = telemetry.snapshot().busy_ns;
        if (busy > clock.to_ns(clock.ticks() - began)) ++too_much;
    }
    end = true;
    thread.join();
    EXPECT_EQ(too_much, 0);
}

TEST(CurrentRun, OfAWorkerThatWasGivenBackInARunIsOver) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    TaskTimes task;
    {
        const WorkerLease worker = telemetry.worker();
        worker->spawned(task, {});
        worker->running(task);
        clock.advance(1'000);
        EXPECT_EQ(telemetry.snapshot().current_run_ns, 1'000u);
    }
    clock.advance(1'000);
    EXPECT_EQ(telemetry.snapshot().current_run_ns, 0u);
}

TEST(CurrentRun, ThatEndedAtAnotherWorkerIsOverWhenItsOwnParks) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"s", {.clock = &clock}};
    const WorkerLease worker = telemetry.worker();
    TaskTimes task;
    worker->spawned(task, {});
    worker->running(task);
    std::thread{[&] { telemetry.here().cancelled(task, CancelCause::destroyed); }}.join();
    worker->park();
    clock.advance(1'000);
    EXPECT_EQ(telemetry.snapshot().current_run_ns, 0u);
}

// With the machine's clock, whose ticks are no whole ns, and threads that really overlap.

TEST(BusyTime, StandsStillWhileTheWorkerIsParked) {
    SchedulerTelemetry telemetry{"s"};
    const WorkerLease worker = telemetry.worker();
    worker->park();
    const std::uint64_t before = telemetry.snapshot().busy_ns;
    for (int i = 0; i < 20'000; ++i)
        ASSERT_EQ(telemetry.snapshot().busy_ns, before) << "after " << i << " snapshots";
}

TEST(BusyTime, NeverFallsNorCountsAParkThoughItIsReadWhileTheWorkerParks) {
    SchedulerTelemetry telemetry{"s"};
    const Clock& clock = telemetry.clock();
    std::uint64_t at_most_ns = 0;
    std::atomic<bool> ended{false};
    std::thread runs{[&] {
        std::uint64_t begin = clock.ticks();
        const WorkerLease worker = telemetry.worker();
        for (int i = 0; i < 4000; ++i) {
            worker->park();
            at_most_ns += clock.to_ns(clock.ticks() - begin);
            std::this_thread::sleep_for(std::chrono::microseconds{100});
            begin = clock.ticks();
            worker->unpark();
        }
        worker->park();
        at_most_ns += clock.to_ns(clock.ticks() - begin);
        ended = true;
    }};
    std::uint64_t last = 0;
    std::uint64_t falls = 0;
    while (!ended) {
        const std::uint64_t now = telemetry.snapshot().busy_ns;
        if (now < last) ++falls;
        last = now;
    }
    runs.join();
    EXPECT_EQ(falls, 0u);
    EXPECT_LE(last, at_most_ns + at_most_ns / 1000) << "the clock's scale may have been corrected meanwhile";
}

TEST_F(Metrics, AForkedChildsGaugesShowItsOwnTasksWhateverItDoesWithInheritedOnes) {
    std::array<TaskTimes, 4> inherited;
    for (TaskTimes& each : inherited)
        worker.spawned(each, {.name = "t"});
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        const auto ready = [&] { return gauge("scheduler_ready_queue_depth"); };
        const auto running = [&] { return gauge("tasks_state", {{"state", "Running"}}); };
        for (std::size_t i = 0; i < 3; ++i) {
            worker.running(inherited[i]);
            worker.done(inherited[i]);
        }
        std::array<TaskTimes, 2> own;
        for (TaskTimes& each : own)
            worker.spawned(each, {.name = "t"});
        if (ready() != 2) _exit(1);
        worker.running(inherited[3]);
        if (running() != 0 || ready() != 2) _exit(2);
        if (counter("task_transitions_total", {{"event", "Running"}}) != 4) _exit(3);
        worker.yield(inherited[3]);
        worker.running(own[0]);
        if (running() != 1 || ready() != 1) _exit(4);
        // a scheduler that was made after the fork, and a fork of the fork
        SchedulerTelemetry late{"late", {.clock = &clock}};
        late.here().cancelled(inherited[3], CancelCause::shutdown);
        late.here().spawned(task, {.name = "t"});
        if (late.snapshot().states[static_cast<std::size_t>(TaskState::Ready)] != 1) _exit(5);
        const pid_t grandchild = fork();
        if (grandchild == 0) {
            worker.done(own[0]);
            TaskTimes third;
            worker.spawned(third, {.name = "t"});
            _exit(ready() == 1 && running() == 0 ? 0 : 1);
        }
        int status = 0;
        _exit(waitpid(grandchild, &status, 0) == grandchild && status == 0 ? 0 : 6);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the number of the check that failed";
}

/// Runs `body` in a forked child, on the CPU that this thread keeps busy meanwhile. Returns its exit code.
template <typename Body>
int in_a_child_that_waits_for_a_cpu(const Body& body) {
    const pid_t child = fork();
    if (child == 0) _exit(body());
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(ForkedChild, CountsItsOwnTimesFromZero) {
    constexpr std::uint64_t kPatienceNs = 20'000 * kMs;
    SchedulerTelemetry telemetry{"s"};
    const Clock& clock = telemetry.clock();
    const std::uint64_t begin = clock.monotonic_ns();
    const auto waited_too_long = [&] { return clock.monotonic_ns() - begin > kPatienceNs; };
    // one CPU for all, so that the kernel lets a thread wait
    cpu_set_t before;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(sched_getcpu()), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
    const auto wait_for_a_cpu = [&](std::uint64_t at_least_ns) {
        telemetry.here();
        while (telemetry.snapshot().run_delay_ns < at_least_ns && !waited_too_long()) {
        }
    };
    std::thread first{wait_for_a_cpu, 100 * kMs};
    std::thread second{wait_for_a_cpu, 100 * kMs};
    first.join();
    second.join();  // both gave their workers back
    const WorkerLease worker = telemetry.worker();
    const std::uint64_t parents_delay_ns = telemetry.snapshot().run_delay_ns;
    const std::uint64_t forked_at = clock.monotonic_ns();
    const int failed_check = in_a_child_that_waits_for_a_cpu([&] {
        const MetricsSnapshot first_seen = telemetry.snapshot();
        if (first_seen.run_delay_ns > clock.monotonic_ns() - forked_at) return 1;
        const std::uint64_t work_begins = clock.ticks();
        while (clock.to_ns(clock.ticks() - work_begins) < 5 * kMs) {
        }
        const std::uint64_t worked_ns = telemetry.snapshot().busy_ns - first_seen.busy_ns;
        if (worked_ns < 5 * kMs - 1'000) return 2;
        if (telemetry.snapshot().busy_ns > clock.monotonic_ns() - forked_at + 1'000) return 3;
        while (telemetry.snapshot().run_delay_ns <= first_seen.run_delay_ns)
            if (parents_delay_ns == 0 || waited_too_long()) return parents_delay_ns == 0 ? 0 : 4;
        const std::uint64_t last_seen_ns = telemetry.snapshot().run_delay_ns;
        const rlimit no_files{};
        if (setrlimit(RLIMIT_NOFILE, &no_files) != 0 || telemetry.snapshot().run_delay_ns < last_seen_ns) return 5;
        return 0;
    });
    sched_setaffinity(0, sizeof before, &before);
    EXPECT_EQ(failed_check, 0) << "1: the parent's run delay; 2, 3: busy time; 4: its own run delay; 5: a file "
                                  "that cannot be opened";
    if (parents_delay_ns == 0) GTEST_SKIP() << "the kernel tells no run delay here";
}

TEST(Bounds, FindTheBucketOfEveryValueAsAPlainSearchWould) {
    const std::vector<std::uint64_t> upper{1, 2, 3, 7, 8, 9, 1000, 1024, 1'000'000, UINT64_MAX - 1};
    const detail::Bounds bounds{upper};
    const auto searched = [&](std::uint64_t value) {
        return static_cast<std::size_t>(std::lower_bound(upper.begin(), upper.end(), value) - upper.begin());
    };
    for (std::uint64_t value = 0; value < 3000; ++value)
        EXPECT_EQ(bounds.bucket(value), searched(value)) << value;
    for (const std::uint64_t bound : upper)
        for (const std::uint64_t value : {bound - 1, bound, bound + 1})
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
