// A scheduler is closed while a worker tells of itself for longer than that is waited for: it is left to its thread.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <string>
#include <thread>
#include <tiffany/telemetry/detail/lttng_patience.hpp>

#include "held.hpp"
#include "kept.hpp"
#include "recorded.hpp"
#include "telemetry/process.hpp"

namespace tiffany::testing {
namespace {

/// It does not end while nobody lets it.
class LeftWorker : public Recorded {
  protected:
    LeftWorker() {
        install_sink(sink_, kPatient);
        start_session();
    }
    ~LeftWorker() override { uninstall_sink(); }

    /// Runs `tell` in a thread that stands still in the first event of this kind until all this is closed, and the
    /// clock is gone.
    template <typename Tell>
    void close_while_held(EventId id, const Tell& tell) {
        Held held{id, [&tell, its = telemetry_.get()] { tell(*its); }};
        telemetry_.reset();
        clock_.reset();
        EXPECT_TRUE(recording().of(EventId::WorkerStopped).empty()) << "it is in the middle of another word";
        held.end();
        EXPECT_EQ(recording().of(EventId::WorkerStopped).size(), 1u);
        EXPECT_EQ(worker_counts().indices, indices_) << "it was given up";
    }
    const std::uint64_t indices_ = worker_counts().indices;
    const std::shared_ptr<Kept> sink_ = std::make_shared<Kept>();
    std::unique_ptr<VirtualClock> clock_ = std::make_unique<VirtualClock>();
    std::unique_ptr<SchedulerTelemetry> telemetry_ =
        std::make_unique<SchedulerTelemetry>("left", TelemetryOptions{.clock = clock_.get()});
};

struct NoTasks final : TaskList {
    std::uint64_t list(std::uint64_t, TaskTaker&) noexcept override { return kEnd; }
};

TEST_F(LeftWorker, ThatBeginsNeedsNeitherTheSchedulerNorItsClockAndItsThreadsHooksAreRefused) {
    NoTasks none;
    telemetry_->list_tasks_by(&none);
    start_session();  // of which the first worker with a loop tells
    const std::uint64_t refused = refused_hooks();
    const auto take = [](SchedulerTelemetry& telemetry) {
        const WorkerLease worker = telemetry.worker();
        live(*worker);
        worker->park();
        worker->unpark();
    };
    close_while_held(EventId::WorkerStarted, take);
    EXPECT_EQ(refused_hooks(), refused + 3);
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerDumped, EventId::WorkerStopped}));
    EXPECT_TRUE(flush_sink());
    EXPECT_EQ(sink_->names(), (std::vector<std::string>{"WorkerStarted", "WorkerDumped", "WorkerStopped"}));
}

TEST_F(LeftWorker, OfAForeignThreadIsRefusedAsWell) {
    const std::uint64_t refused = refused_hooks();
    close_while_held(EventId::WorkerStarted, [](SchedulerTelemetry& telemetry) { live(telemetry.here()); });
    EXPECT_EQ(refused_hooks(), refused + 3);
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerStopped}));
}

TEST_F(LeftWorker, ThatTellsOfANewSinkNeedsTheClockNoMore) {
    const auto another = std::make_shared<Kept>();
    std::uint64_t its_id = 0, other_id = 0;
    const auto install = [&](SchedulerTelemetry& telemetry) {
        telemetry.group("io");
        its_id = telemetry.here().id();
        uninstall_sink();
        install_sink(another, kPatient);
        std::thread{[&] { other_id = SchedulerTelemetry{"other"}.worker()->id(); }}.join();
    };
    Held held{EventId::WorkerDumped, [&install, its = telemetry_.get()] { install(*its); }};
    telemetry_.reset();
    clock_.reset();
    held.end();
    EXPECT_EQ(worker_counts().indices, indices_) << "both were given up";
    EXPECT_NE(other_id, its_id) << "its thread went on when another one came";
    EXPECT_TRUE(flush_sink());
    std::vector<std::string> told;
    for (const Kept::Entry& entry : another->entries())
        if (entry.record.worker == pal::WorkerId::from_event(its_id)) told.emplace_back(entry.record.info->name);
    EXPECT_EQ(told, (std::vector<std::string>{"WorkerDumped", "Group", "WorkerStopped"}));
}

TEST_F(LeftWorker, WhoseLastWordIsLeftOutIsCountedUnderTheNameOfItsScheduler) {
    const auto left_out = [] {
        std::uint64_t sum = 0;
        for (const MetricsSnapshot& each : named_snapshots())
            if (each.scheduler == "left") sum += each.lttng_left_out;
        return sum;
    };
    const std::uint64_t before = left_out();
    detail::DeadConsumer& consumer = detail::Process::get().dead_consumer();
    Held held{EventId::WorkerStarted, [its = telemetry_.get()] { its->here(); }};
    telemetry_.reset();
    EXPECT_EQ(left_out(), before);
    consumer.found(detail::Process::get().lttng_sessions());
    consumer.word_waited(detail::LttngPatience::kGiveUpNs);
    held.end();
    consumer.is_alive();
    EXPECT_EQ(recording().ids(), std::vector{EventId::WorkerStarted});
    EXPECT_EQ(left_out(), before + 1);
}

// As a signal handler that calls exit() in the middle of an event: what it waits for is what it has interrupted.
TEST_F(LeftWorker, OfTheThreadThatClosesTheSchedulerIsNotWaitedFor) {
    constexpr long kOften = 1'000;  // sleeps: who waits to the end does so more than 10,000 times
    static long sleeps;
    static std::unique_ptr<SchedulerTelemetry>* interrupted;
    sleeps = -1;
    interrupted = &telemetry_;
    recording().meanwhile = [] {
        rusage before{}, after{};
        getrusage(RUSAGE_THREAD, &before);
        interrupted->reset();
        getrusage(RUSAGE_THREAD, &after);
        sleeps = after.ru_nvcsw - before.ru_nvcsw;
    };
    recording().released = true;
    recording().hold = static_cast<int>(EventId::WorkerStarted);
    SchedulerTelemetry& its = *telemetry_;
    std::thread{[&] { its.here(); }}.join();
    EXPECT_GE(sleeps, 0) << "it was never closed";
    EXPECT_LT(sleeps, kOften);
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerStopped}));
    EXPECT_EQ(worker_counts().indices, indices_);
}

}  // namespace
}  // namespace tiffany::testing
