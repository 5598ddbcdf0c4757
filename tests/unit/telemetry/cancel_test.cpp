// A thread that is to be cancelled (pthread_cancel) calls the library: nothing in it is a cancellation point.

#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <tiffany/telemetry/configure.hpp>
#include <utility>

#include "../temporary_folder.hpp"
#include "kept.hpp"

namespace tiffany::testing {
namespace {

/// A thread that asks for its own cancellation, and then does what it is given.
class AskedToEnd {
  public:
    explicit AskedToEnd(std::function<void()> body) : body_{std::move(body)} {
        pthread_create(&thread_, nullptr, &run, this);
    }
    /// What the thread's end gave.
    void* end() {
        void* result = nullptr;
        pthread_join(thread_, &result);
        return result;
    }

  private:
    static void* run(void* self) {
        pthread_cancel(pthread_self());
        static_cast<AskedToEnd*>(self)->body_();
        return self;
    }
    std::function<void()> body_;
    pthread_t thread_{};
};

/// Does it in such a thread, which then comes to a cancellation point of its own.
void expect_no_cancellation_point_in(const std::function<void()>& body) {
    bool came_through = false;
    AskedToEnd thread{[&] {
        body();
        came_through = true;
        pthread_testcancel();
    }};
    EXPECT_EQ(thread.end(), PTHREAD_CANCELED);
    EXPECT_TRUE(came_through);
}

/// With a log, which is begun by whoever comes first: that opens files and starts a thread.
class Cancelled : public ::testing::Test {
  protected:
    static void SetUpTestSuite() {
        setenv("TIFFANY_LTTNG", "0", 1);
        folder = new test::TemporaryFolder;
        setenv("TIFFANY_PAL", (folder->path() / "log.pal").c_str(), 1);
    }
    static void TearDownTestSuite() {
        flush_pal();
        delete folder;
    }
    static inline test::TemporaryFolder* folder = nullptr;
};

TEST_F(Cancelled, ASchedulerBeginsAndEnds) {
    expect_no_cancellation_point_in([] { const SchedulerTelemetry telemetry{"begins", {}}; });
}

TEST_F(Cancelled, AWorkerIsTakenFiresAndIsGivenBack) {
    SchedulerTelemetry telemetry{"fires"};
    expect_no_cancellation_point_in([&] {
        WorkerLease lease = telemetry.worker();
        TaskTimes task;
        lease->spawned(task, {.name = "t"});
        for (int i = 0; i < 1'000; ++i) {
            const Worker::Tick tick{*lease, task};
            lease->running(task);
            lease->note(task, "key", "value");
            lease->yield(task);
            lease->park();
            lease->unpark();
        }
        telemetry.group("group");
        lease = {};
    });
    EXPECT_EQ(telemetry.transitions(), 2'001u);
}

TEST_F(Cancelled, AForeignThreadsFirstHookTakesAWorker) {
    SchedulerTelemetry telemetry{"foreign"};
    expect_no_cancellation_point_in([&] { live(telemetry.here()); });
    EXPECT_EQ(telemetry.transitions(), 3u);
}

TEST_F(Cancelled, AForeignThreadThatReturnsGivesItsWorkerBack) {
    SchedulerTelemetry telemetry{"returns"};
    AskedToEnd thread{[&] { live(telemetry.here()); }};
    EXPECT_EQ(thread.end(), &thread) << "it came to no cancellation point at all";
    EXPECT_EQ(worker_counts().held, 0u);
    EXPECT_EQ(telemetry.transitions(), 3u);
}

TEST_F(Cancelled, AWatchBeginsAndEnds) {
    SchedulerTelemetry telemetry{"watch"};
    expect_no_cancellation_point_in([&] {
        telemetry.watch(std::chrono::seconds{1});
        telemetry.watch({});
    });
}

TEST_F(Cancelled, NumbersAreRead) {
    SchedulerTelemetry telemetry{"numbers"};
    const WorkerLease lease = telemetry.worker();
    expect_no_cancellation_point_in([&] {
        telemetry.snapshot(true);
        named_snapshots();
        worker_counts();
    });
}

TEST_F(Cancelled, ASinkIsInstalledFlushedAndUninstalled) {
    SchedulerTelemetry telemetry{"sink"};
    const auto sink = std::make_shared<Kept>();
    expect_no_cancellation_point_in([&] {
        install_sink(sink, kPatient);
        live(telemetry.here());
        flush_sink();
        flush_pal();
        uninstall_sink();
    });
    EXPECT_EQ(sink->stretches().size(), 1u);
}

// ThreadSanitizer lets no forked child start a thread; AddressSanitizer's allocator, of g++ 12, may be locked in it for
// ever
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
TEST_F(Cancelled, AForkedChildFiresInALogOfItsOwn) {
    SchedulerTelemetry telemetry{"forks"};
    pid_t child = -1;
    expect_no_cancellation_point_in([&] {
        Worker& worker = telemetry.here();
        child = fork();
        if (child != 0) return;
        live(worker);
        const bool whole = flush_pal() && pal_status().active;
        _exit(whole && telemetry.transitions() == 3 ? 0 : 1);
    });
    ASSERT_GT(child, 0);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}
#endif

TEST_F(Cancelled, WhoDisabledCancellationFindsItDisabled) {
    SchedulerTelemetry telemetry{"disabled"};
    AskedToEnd thread{[&] {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, nullptr);
        live(telemetry.here());
        telemetry.snapshot();
        pthread_testcancel();
        int state = PTHREAD_CANCEL_ENABLE;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
        EXPECT_EQ(state, PTHREAD_CANCEL_DISABLE);
    }};
    EXPECT_EQ(thread.end(), &thread);
}

}  // namespace
}  // namespace tiffany::testing
