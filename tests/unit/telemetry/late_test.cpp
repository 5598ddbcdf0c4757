// Hooks where a thread, or the process, is at its end: the thread's list of workers is gone.

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>

#include "kept.hpp"

namespace tiffany::testing {
namespace {

/// What it is given happens when the thread's younger objects are gone.
struct AtTheEnd {
    std::function<void()> then;
    ~AtTheEnd() {
        if (then) then();
    }
};
thread_local AtTheEnd at_the_end;

class Late : public ::testing::Test {
  protected:
    static void SetUpTestSuite() { setenv("TIFFANY_LTTNG", "0", 1); }

    /// In a thread that has had a worker, at its end.
    void late(const std::function<void()>& then) {
        std::thread{[&] {
            at_the_end.then = then;  // older than the list of workers, which is made with the first
            live(telemetry.here());
        }}.join();
    }
    bool takes_another() {
        try {
            const WorkerLease another = telemetry.worker();
            return true;
        } catch (const std::logic_error&) {
            return false;
        }
    }

    SchedulerTelemetry telemetry{"late"};
};

TEST_F(Late, AWorkerCanBeLeased) {
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, kPatient);
    late([&] {
        const WorkerLease lease = telemetry.worker();
        live(*lease);
    });
    EXPECT_EQ(telemetry.transitions(), 6u);
    uninstall_sink();
    EXPECT_EQ(sink->of("WorkerStopped").size(), 2u);
    EXPECT_EQ(sink->of("Done").size(), 2u);
}

TEST_F(Late, AThreadHasOneWorkerStill) {
    bool first = false, second = true, third = false;
    late([&] {
        {
            const WorkerLease lease = telemetry.worker();
            first = &*lease == &telemetry.here();
            second = takes_another();
        }
        third = takes_another();
    });
    EXPECT_TRUE(first) << "hooks find what was leased";
    EXPECT_FALSE(second);
    EXPECT_TRUE(third) << "it was given back";
}

TEST_F(Late, HooksWithoutALeaseFireNothingAndAreCounted) {
    const std::uint64_t before = refused_hooks();
    late([&] { live(telemetry.here()); });
    EXPECT_EQ(telemetry.transitions(), 3u);
    EXPECT_EQ(refused_hooks(), before + 3);
}

// Who lists no tasks is told of a group by who asks for it first.
TEST_F(Late, AGroupThatWasAskedForWithoutALeaseIsToldOfByWhoAsksNext) {
    const auto sink = std::make_shared<Kept>();
    install_sink(sink, kPatient);
    late([&] { EXPECT_EQ(telemetry.group("io"), 1u); });
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(telemetry.group("io"), 1u);
    uninstall_sink();
    EXPECT_EQ(sink->of("Group").size(), 1u);
}

TEST_F(Late, TheProcessEndsWithALeaseInAnExitHandler) {
    const auto end = [] {
        static SchedulerTelemetry& ended = *new SchedulerTelemetry{"ended"};
        std::atexit([] {
            {
                const WorkerLease lease = ended.worker();
                live(*lease);
            }
            if (ended.transitions() != 6) std::_Exit(3);
        });
        {
            const WorkerLease lease = ended.worker();
            live(*lease);
        }
        std::exit(7);
    };
    EXPECT_EXIT(end(), ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace tiffany::testing
