// Metrics in a forked child: they are its own, from the fork on.

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "metrics.hpp"

namespace tiffany {
namespace {

/// Runs `good` in a forked child. Returns whether it said true.
template <typename Good>
bool in_a_child(Good good) {
    const pid_t child = fork();
    if (child == 0) _exit(good() ? 0 : 1);
    int status = 1;
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
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

}  // namespace
}  // namespace tiffany
