// Metrics in a forked child: they are its own, from the fork on.

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <functional>
#include <memory>
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

// ---- with a list of the live tasks ----

/// A runtime's list, with a lock that is tried.
class Listed final : public TaskList {
  public:
    explicit Listed(std::size_t count) : tasks{count}, times{std::make_unique<TaskTimes[]>(count)} {}

    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override {
        ++calls;
        if (is_held) return cursor;
        for (; cursor < tasks; ++cursor) {
            if (!taker.wants_more()) return cursor;
            if (before) before(cursor);
            taker.take(times[cursor]);
            if (after) after(cursor);
        }
        return kEnd;
    }

    std::size_t tasks;
    std::unique_ptr<TaskTimes[]> times;
    bool is_held = false;  // its lock, by a thread that is not in the child
    std::size_t calls = 0;
    std::function<void(std::size_t)> before;  // a task is taken
    std::function<void(std::size_t)> after;
};

class InheritedTasks : public Metrics {
  protected:
    static constexpr std::size_t kTasks = 5'000;  // more than one tick goes over
    Listed list{kTasks};

    InheritedTasks() {
        for (std::size_t i = 0; i < kTasks; ++i) {
            worker.spawned(list.times[i], {.name = "t"});
            if (i % 4 == 0) continue;
            worker.running(list.times[i]);
            if (i % 4 == 1) worker.sleep(list.times[i], 0);
            if (i % 4 == 2) worker.iowait(list.times[i], 3);
            if (i % 4 == 3) worker.done(list.times[i]);
        }
        telemetry.list_tasks_by(&list);
    }
    ~InheritedTasks() override { telemetry.list_tasks_by(nullptr); }

    /// Ticks until the list is gone over.
    void tick(std::size_t times = 100) {
        for (std::size_t i = 0; i < times; ++i)
            const Worker::Tick tick{worker, task};
    }
    /// What the tasks say themselves.
    std::array<std::uint64_t, kTaskStates> truth() const {
        std::array<std::uint64_t, kTaskStates> states{};
        for (std::size_t i = 0; i < kTasks; ++i)
            ++states[static_cast<std::size_t>(list.times[i].state())];
        return states;
    }
    bool gauges_are_true() const {
        const MetricsSnapshot now = telemetry.snapshot();
        const auto states = truth();
        for (const TaskState state :
             {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
            if (now.states[static_cast<std::size_t>(state)] != states[static_cast<std::size_t>(state)]) return false;
        return true;
    }
};

TEST_F(InheritedTasks, AreInTheGaugesOfAForkedChildThatTicks) {
    EXPECT_TRUE(in_a_child([&] {
        tick();
        return gauges_are_true() && gauge("tasks_state", {{"state", "Sleeping"}}) == kTasks / 4 &&
               gauge("scheduler_ready_queue_depth") == kTasks / 4 &&
               counter("task_transitions_total", {{"event", "Spawned"}}) == 0;
    }));
    EXPECT_TRUE(gauges_are_true()) << "the parent's";
}

TEST_F(InheritedTasks, AreInTheGaugesOfAForkedChildThatParks) {
    EXPECT_TRUE(in_a_child([&] {
        for (int i = 0; i < 1'000 && !gauges_are_true(); ++i) {
            worker.park();
            worker.unpark();
        }
        return gauges_are_true() && worker.longest_park_ns() == 1'000'000'000;
    }));
}

TEST_F(InheritedTasks, AreCountedOnceWhateverHappensToThemBeforeAndAfterTheyAreListed) {
    EXPECT_TRUE(in_a_child([&] {
        for (std::size_t i = 0; i < 400; i += 4)
            worker.running(list.times[i]);
        for (std::size_t i = 0; i < 200; i += 4)
            worker.done(list.times[i]);
        tick(2);
        for (std::size_t i = 200; i < kTasks; i += 4) {  // some of them are listed by now
            if (i >= 400) worker.running(list.times[i]);
            if (i % 8 == 0) worker.yield(list.times[i]);
        }
        tick();
        for (std::size_t i = 1; i < kTasks; i += 4)
            worker.ready(list.times[i], WakeCause::event);
        TaskTimes own;
        worker.spawned(own, {.name = "own"});
        worker.running(own);
        worker.done(own);
        return gauges_are_true();
    }));
}

TEST_F(InheritedTasks, AreCountedOnceWhenTheyMoveWhileTheyAreListed) {
    EXPECT_TRUE(in_a_child([&] {
        list.before = [&](std::size_t i) {
            if (i % 8 == 0) worker.running(list.times[i]);
        };
        list.after = [&](std::size_t i) {
            if (i % 4 == 0) i % 8 == 0 ? worker.yield(list.times[i]) : worker.running(list.times[i]);
            if (i % 4 == 1) worker.cancelled(list.times[i], CancelCause::asked);
        };
        tick();
        return gauges_are_true();
    }));
}

TEST_F(InheritedTasks, AreCountedAnewInAForkOfTheFork) {
    EXPECT_TRUE(in_a_child([&] {
        tick();
        for (std::size_t i = 1; i < kTasks; i += 4)
            worker.ready(list.times[i], WakeCause::event);
        return in_a_child([&] {
            tick();
            for (std::size_t i = 1; i < kTasks; i += 8)
                worker.running(list.times[i]);
            return gauges_are_true();
        });
    }));
}

TEST_F(InheritedTasks, AreCountedByAnotherWorkerIfTheFirstIsGivenBackHalfWay) {
    EXPECT_TRUE(in_a_child([&] {
        tick(2);
        if (gauges_are_true()) return false;  // the list is too short for this test
        lease = {};
        const WorkerLease other = telemetry.worker();
        for (int i = 0; i < 100; ++i)
            const Worker::Tick tick{*other, task};
        return gauges_are_true();
    }));
}

TEST_F(InheritedTasks, AreNotCountedWhereTheLockOfTheListIsHeldForEver) {
    list.is_held = true;
    EXPECT_TRUE(in_a_child([&] {
        TaskTimes own;
        worker.spawned(own, {.name = "own"});
        worker.running(list.times[0]);
        const Clock& time = Clock::system();
        const std::uint64_t begin = time.monotonic_ns();
        do {
            tick();
        } while (worker.is_dumping() && time.monotonic_ns() - begin < 20'000 * kMs);
        const std::size_t calls = list.calls;
        tick();
        return list.calls == calls && worker.longest_park_ns() == 1'000'000'000 &&
               gauge("scheduler_ready_queue_depth") == 1;
    }));
}

#if !defined(__SANITIZE_THREAD__)  // which lets no forked child start a thread
TEST_F(InheritedTasks, AreCountedOnceWhenAnotherThreadMovesThemMeanwhile) {
    for (int round = 0; round < 20; ++round)
        ASSERT_TRUE(in_a_child([&] {
            std::thread mover{[&] {
                Worker& here = telemetry.here();
                for (std::size_t i = 0; i < kTasks; ++i) {
                    if (i % 4 == 1) here.ready(list.times[i], WakeCause::event);
                    if (i % 4 <= 1) here.running(list.times[i]);
                    if (i % 4 == 0) here.yield(list.times[i]);
                }
            }};
            tick();
            mover.join();
            tick();
            return gauges_are_true();
        })) << "round "
            << round;
}
#endif

TEST_F(Metrics, AForkedChildsPresentRunIsThatOfTheTaskThatForked) {
    worker.spawned(task, {.name = "t"});
    worker.running(task);
    clock.advance(1'000);
    EXPECT_TRUE(in_a_child([&] {
        clock.advance(500);
        if (telemetry.snapshot().current_run_ns != 1'500) return false;
        worker.yield(task);
        return telemetry.snapshot().current_run_ns == 0;
    }));
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
