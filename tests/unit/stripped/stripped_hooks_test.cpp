// The hooks compiled to nothing: a runtime's code compiles as it is, and tells nobody anything.

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <type_traits>

namespace tiffany {
namespace {

struct Plain {
    void* frame;
};
struct Instrumented {
    void* frame;
    [[no_unique_address]] TaskTimes times;
};

TEST(StrippedHooks, AddNoByteToATask) {
    EXPECT_EQ(sizeof(Instrumented), sizeof(Plain));
    EXPECT_EQ(alignof(Instrumented), alignof(Plain));
}

TEST(StrippedHooks, RefuseTheSameMisuse) {
    EXPECT_FALSE(std::is_copy_constructible_v<TaskTimes>);
    EXPECT_FALSE(std::is_copy_assignable_v<TaskTimes>);
    EXPECT_FALSE(std::is_copy_constructible_v<Worker>);
    EXPECT_FALSE(std::is_copy_constructible_v<WorkerLease>);
    EXPECT_FALSE(std::is_copy_constructible_v<SchedulerTelemetry>);
}

TEST(StrippedHooks, CountNothing) {
    VirtualClock clock;
    SchedulerTelemetry telemetry{"stripped", {.clock = &clock}};
    TaskTimes task;
    const WorkerLease worker = telemetry.worker();
    worker->spawned(task, {.name = "task", .group = telemetry.group("kind")});
    {
        const Worker::Tick tick{*worker, task};
        worker->running(task);
        worker->note(task, "trace", "1");
        worker->yield(task);
        worker->running(task);
        worker->throttled(task, 0);
        worker->running(task);
        worker->sleep(task, 1);
        telemetry.here().ready(task, WakeCause::timer);
        worker->running(task);
        worker->iowait(task, 3);
        worker->ready(task, WakeCause::io);
        worker->running(task);
        worker->join(task, 7);
        worker->ready(task, WakeCause::join);
        worker->running(task);
        worker->wait(task, WaitReason::lock, 1);
        worker->ready(task, WakeCause::event);
        worker->running(task);
        worker->done(task);
        worker->failed(task, "no");
        worker->cancelled(task, CancelCause::asked);
        const Stamp now = worker->now();
        worker->running(task, now);
        worker->ready(task, WakeCause::io, 0, 0, now);
        worker->cancelled(task, CancelCause::asked, 0, now);
    }
    worker->park();
    worker->unpark();
    EXPECT_EQ(task.tid(), 0u);
    EXPECT_EQ(task.state(), TaskState::None);
    EXPECT_EQ(worker->seq(), 0u);
    EXPECT_EQ(telemetry.transitions(), 0u);
    EXPECT_EQ(telemetry.name(), "stripped");
    EXPECT_EQ(&telemetry.clock(), &clock);
    EXPECT_FALSE(telemetry.snapshot_source()().has_value());
    EXPECT_EQ(label(tracing_status()), "stripped");
    EXPECT_EQ(refused_hooks(), 0u);
}

TEST(StrippedHooks, WatchNothing) {
    configure({.stall = std::chrono::seconds{1}});
    SchedulerTelemetry telemetry{"stripped"};
    telemetry.watch(std::chrono::seconds{1});
    EXPECT_EQ(telemetry.watch_bound().count(), 0);
    EXPECT_EQ(label(stall_status().problem), "stripped");
}

TEST(StrippedHooks, KnowNoTime) {
    static_assert(!Worker::listens());
    static_assert(!Worker::now().known());
    static_assert(Worker::ns_between(Stamp{1}, Stamp{2}) == 0);
    EXPECT_TRUE(std::is_empty_v<Stamp>);
    EXPECT_EQ(Stamp{7}.ticks(), 0u);
}

TEST(StrippedHooks, TellASinkNothing) {
    struct Refuses : pal::Sink {
        void record(const pal::Record&) override { FAIL() << "something fired"; }
        void gap(const pal::Gap&) override { FAIL() << "something was lost"; }
    };
    install_sink(std::make_shared<Refuses>());
    SchedulerTelemetry telemetry{"stripped"};
    TaskTimes task;
    telemetry.here().spawned(task, {});
    EXPECT_TRUE(flush_sink());
    EXPECT_EQ(sink_stats().records, 0u);
    EXPECT_TRUE(uninstall_sink());
    EXPECT_THROW(install_sink(nullptr), std::invalid_argument);
}

}  // namespace
}  // namespace tiffany
