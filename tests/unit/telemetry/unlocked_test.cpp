// LTTng may let the thread of an event wait: nobody else waits for that, whatever the event.

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <tiffany/telemetry/sink.hpp>

#include "held.hpp"
#include "recorded.hpp"

namespace tiffany::testing {
namespace {

/// Whether `what` ends while the event is held.
template <typename Do>
bool goes_on(Held& held, const Do& what) {
    auto done = std::async(std::launch::async, what);
    const bool in_time = done.wait_for(kHeldHang) == std::future_status::ready;
    held.end();
    done.get();
    return in_time;
}

/// A scheduler that comes and goes, a scrape, and a fork.
void live_beside() {
    SchedulerTelemetry other{"other"};
    const WorkerLease worker = other.worker();
    EXPECT_EQ(other.snapshot().workers, 1u);
    EXPECT_EQ(other.group("of its own"), 1u);
    EXPECT_GE(worker_counts().held, 1u);
    const pid_t child = fork();
    if (child == 0) _exit(0);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

class Unlocked : public Recorded {
  protected:
    Unlocked() { start_session(); }
    std::optional<SchedulerTelemetry> telemetry_{std::in_place, "held"};
};

TEST_F(Unlocked, WhoTellsThatAWorkerBeginsKeepsNobodyWaiting) {
    Held held{EventId::WorkerStarted, [this] { const WorkerLease worker = telemetry_->worker(); }};
    EXPECT_TRUE(goes_on(held, live_beside));
}

TEST_F(Unlocked, WhoTellsThatAWorkerEndsKeepsNobodyWaiting) {
    Held held{EventId::WorkerStopped, [this] { const WorkerLease worker = telemetry_->worker(); }};
    EXPECT_TRUE(goes_on(held, live_beside));
}

TEST_F(Unlocked, WhoEndsASchedulerAndTellsThatItsWorkersDoKeepsNobodyWaiting) {
    Held held{EventId::WorkerStopped, [this] {
                  const WorkerLease worker = telemetry_->worker();
                  telemetry_.reset();
              }};
    EXPECT_TRUE(goes_on(held, live_beside));
}

TEST_F(Unlocked, WhoTellsOfAGroupKeepsNobodyWaitingAndWhoAsksForItMeanwhileTellsOfItFirst) {
    const WorkerLease worker = telemetry_->worker();
    Held held{EventId::Group, [this] { EXPECT_EQ(telemetry_->group("io"), 1u); }};
    EXPECT_EQ(recording().of(EventId::Group).size(), 0u);
    EXPECT_TRUE(goes_on(held, [this] {
        EXPECT_EQ(telemetry_->group("io"), 1u);
        EXPECT_EQ(recording().of(EventId::Group).size(), 1u);
        live_beside();
    }));
    const std::size_t told = recording().of(EventId::Group).size();
    EXPECT_EQ(telemetry_->group("io"), 1u);
    EXPECT_EQ(recording().of(EventId::Group).size(), told) << "by now it is told";
}

TEST_F(Unlocked, WhoInstallsASinkAndTellsItAtOnceKeepsNobodyWaiting) {
    struct Nothing : pal::Sink {
        void record(const pal::Record&) override {}
        void gap(const pal::Gap&) override {}
    };
    Held held{EventId::WorkerDumped, [this] {
                  const WorkerLease worker = telemetry_->worker();
                  install_sink(std::make_shared<Nothing>());
              }};
    EXPECT_TRUE(goes_on(held, live_beside));
    uninstall_sink();
}

TEST_F(Unlocked, AWorkerWhoseThreadTellsThatItEndsIsNobodyElsesUntilThen) {
    const std::uint64_t before = worker_counts().indices;
    std::uint64_t its_id = 0;
    Held held{EventId::WorkerStopped, [&] {
                  const WorkerLease worker = telemetry_->worker();
                  its_id = worker->id();
              }};
    EXPECT_TRUE(goes_on(held, [&] {
        telemetry_.reset();
        SchedulerTelemetry other{"other"};
        const WorkerLease worker = other.worker();
        EXPECT_NE(worker->id(), its_id);
    }));
    EXPECT_EQ(worker_counts().indices, before) << "both are free";
    const auto stopped = recording().of(EventId::WorkerStopped);
    EXPECT_EQ(std::count_if(stopped.begin(), stopped.end(),
                            [&](const Fired& event) { return event.as<tiffany_worker_stopped>().worker == its_id; }),
              1);
}

}  // namespace
}  // namespace tiffany::testing
