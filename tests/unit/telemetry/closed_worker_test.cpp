// A scheduler is closed while threads hold its workers: whose end is told, and when; whose index is another's.

#include <gtest/gtest.h>

#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <tiffany/telemetry/detail/pool_worker.hpp>
#include <vector>

#include "kept.hpp"
#include "recorded.hpp"

namespace tiffany::testing {
namespace {

/// A thread that does what it is told, one thing after the other.
class Obedient {
  public:
    ~Obedient() {
        if (thread_.joinable()) end();
    }
    void does(std::function<void()> what) {
        std::promise<void> done;
        std::future<void> is_done = done.get_future();
        next_.set_value([&] {
            what();
            next_ = {};
            coming_ = next_.get_future();
            done.set_value();
        });
        is_done.get();
    }
    void end() {
        next_.set_value(nullptr);
        thread_.join();
    }

  private:
    std::promise<std::function<void()>> next_;
    std::future<std::function<void()>> coming_ = next_.get_future();
    std::thread thread_{[this] {
        while (const std::function<void()> what = coming_.get())
            what();
    }};
};

class ClosedWorker : public Recorded {
  protected:
    ClosedWorker() {
        recording().clear();
        start_session();
    }

    /// After how many transitions each.
    static std::vector<std::uint64_t> told_ends() {
        std::vector<std::uint64_t> ends;
        for (const Fired& event : recording().of(EventId::WorkerStopped)) {
            const auto stopped = event.as<tiffany_worker_stopped>();
            for (const Fired& other : recording().of(EventId::WorkerStarted))
                if (const auto started = other.as<tiffany_worker_started>();
                    started.worker == stopped.worker && started.scheduler == std::string_view{"closed"})
                    ends.push_back(stopped.seq - started.seq);
        }
        return ends;
    }
    /// Of a worker that a thread which has none gets of a new scheduler.
    static std::uint64_t index_of_another() {
        std::uint64_t id = 0;
        std::thread{[&] {
            SchedulerTelemetry other{"other"};
            id = other.worker()->id();
        }}.join();
        return id & 0xffff;
    }

    static std::uint64_t indices() {
        SchedulerTelemetry{"before"}.worker();  // another test's worker of this thread ends
        return worker_counts().indices;
    }

    const std::uint64_t indices_ = indices();
    std::optional<SchedulerTelemetry> telemetry_{std::in_place, "closed"};
    std::optional<WorkerLease> lease_;
    Worker* worker_ = nullptr;
    Obedient thread_;
};

TEST_F(ClosedWorker, ThatAnotherThreadHoldsEndsWhenItIsGivenBack) {
    thread_.does([&] { live(**(lease_ = telemetry_->worker())); });
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{}) << "it may go on";
    thread_.does([&] { live(**lease_); });
    thread_.does([&] { lease_.reset(); });
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{6});
    EXPECT_EQ(worker_counts().indices, indices_);
}

TEST_F(ClosedWorker, ThatAHookTookForAnotherThreadEndsWithThatThreadIfATaskLives) {
    TaskTimes task;
    thread_.does([&] {
        worker_ = &telemetry_->here();
        worker_->spawned(task, {.name = "t"});
        worker_->running(task);
    });
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{}) << "it may go on";
    thread_.does([&] { worker_->done(task); });
    thread_.end();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
    EXPECT_EQ(worker_counts().indices, indices_);
}

TEST_F(ClosedWorker, ThatAHookTookForAnotherThreadEndsThereIfNoTaskLives) {
    thread_.does([&] { live(telemetry_->here()); });
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
    EXPECT_EQ(worker_counts().indices, indices_ + 1) << "the thread may be wrong";
    SchedulerTelemetry another{"another"};
    thread_.does([&] { another.here(); });
    EXPECT_EQ(worker_counts().indices, indices_ + 1) << "the other one's";
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3}) << "it was told";
}

TEST_F(ClosedWorker, OfAPoolThatRunsTasksOnlyEndsThereIfNoTaskLives) {
    TaskTimes task;
    for (const bool lives : {true, false}) {
        thread_.does([&] { lease_ = detail::PoolWorker::take(*telemetry_); });
        thread_.does([&] { (*lease_)->spawned(task, {.name = "t"}); });
        if (!lives) thread_.does([&] { (*lease_)->cancelled(task, CancelCause::asked); });
        telemetry_.reset();
        EXPECT_EQ(told_ends(), lives ? std::vector<std::uint64_t>{} : std::vector<std::uint64_t>{2});
        thread_.does([&] { lease_.reset(); });
        recording().clear();
        telemetry_.emplace("closed");
    }
}

TEST_F(ClosedWorker, WithoutMetricsNobodyKnowsWhetherATaskLives) {
    telemetry_.emplace("closed", TelemetryOptions{.metrics = false});
    thread_.does([&] { live(telemetry_->here()); });
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{});
    thread_.end();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
}

TEST_F(ClosedWorker, OfTheThreadThatClosesItsSchedulerEndsThere) {
    lease_ = telemetry_->worker();
    live(**lease_);
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
    lease_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3}) << "it was told";
    EXPECT_EQ(worker_counts().indices, indices_);
}

TEST_F(ClosedWorker, OfTheThreadThatClosesItsSchedulerEndsOnceMoreIfItWentOn) {
    lease_ = telemetry_->worker();
    telemetry_.reset();
    live(**lease_);
    lease_.reset();
    EXPECT_EQ(told_ends(), (std::vector<std::uint64_t>{0, 3}));
}

TEST_F(ClosedWorker, WhoseThreadHasEndedEndsThere) {
    thread_.does([&] { live(**(lease_ = telemetry_->worker())); });
    thread_.end();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{}) << "it is leased";
    telemetry_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
    EXPECT_EQ(worker_counts().indices, indices_);
    lease_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3}) << "it was told";
}

TEST_F(ClosedWorker, ThatIsLeasedEndsWithItsThread) {
    thread_.does([&] { live(**(lease_ = telemetry_->worker())); });
    telemetry_.reset();
    thread_.end();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3});
    EXPECT_EQ(worker_counts().indices, indices_);
    lease_.reset();
    EXPECT_EQ(told_ends(), std::vector<std::uint64_t>{3}) << "it was told";
}

TEST_F(ClosedWorker, SharesItsIndexWithNobodyUntilItEnds) {
    const auto own = [this] { return worker_->id() & 0xffff; };
    thread_.does([&] { worker_ = &**(lease_ = telemetry_->worker()); });
    telemetry_.reset();
    EXPECT_NE(index_of_another(), own()) << "the thread may go on";
    thread_.does([&] { lease_.reset(); });
    telemetry_.emplace("closed");
    lease_ = telemetry_->worker();
    worker_ = &**lease_;
    telemetry_.reset();
    EXPECT_NE(index_of_another(), own()) << "this thread may go on";
    lease_.reset();
    EXPECT_EQ(worker_counts().indices, indices_);
}

// One with another clock has the time of the close, but not before what it told since.
TEST_F(ClosedWorker, TellsASinkWhenItEnds) {
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, kPatient);
    thread_.does([&] { lease_ = telemetry_->worker(); });
    telemetry_.reset();
    EXPECT_TRUE(sink->of("WorkerStopped").empty());
    thread_.does([&] {
        live(**lease_);
        lease_.reset();
    });
    uninstall_sink();
    EXPECT_EQ(sink->names(),
              (std::vector<std::string>{"WorkerStarted", "Spawned", "Running", "Done", "WorkerStopped"}));
    EXPECT_GE(sink->of("WorkerStopped").at(0).ts_ns, sink->of("Done").at(0).ts_ns);
}

}  // namespace
}  // namespace tiffany::testing
