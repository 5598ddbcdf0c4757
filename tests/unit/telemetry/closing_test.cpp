// A scheduler is closed while other threads' workers tell something: which of them it waits for.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "held.hpp"
#include "kept.hpp"
#include "recorded.hpp"
#include "telemetry/scheduler_core.hpp"

namespace tiffany::testing {
namespace {

/// How often a thread of this process has slept; 0 if there is none.
long sleeps_of(pid_t thread) {
    std::ifstream status{"/proc/self/task/" + std::to_string(thread) + "/status"};
    constexpr std::string_view kCount = "voluntary_ctxt_switches:";
    for (std::string line; std::getline(status, line);)
        if (line.starts_with(kCount)) return std::stol(line.substr(kCount.size()));
    return 0;
}

class Closing : public Recorded {
  protected:
    Closing() { start_session(); }

    /// Closes a scheduler while the event is held. Returns whether that waited: it looked again and again, and no
    /// worker told meanwhile that it ends.
    template <typename Close>
    static bool waits_for(Held& held, const Close& close) {
        constexpr long kOften = 20;  // who only takes locks on his way does not sleep so often
        std::atomic<pid_t> closer{0};
        std::atomic<bool> closed{false};
        std::thread thread{[&] {
            closer = gettid();
            close();
            closed = true;
        }};
        const auto until = std::chrono::steady_clock::now() + kHeldHang;
        while (!closed && sleeps_of(closer) < kOften && std::chrono::steady_clock::now() < until)
            std::this_thread::yield();
        const bool waited = !closed && recording().of(EventId::WorkerStopped).empty();
        held.end();
        thread.join();
        return waited;
    }

    SchedulerTelemetry another_{"another"};  // with the first one in a program a session can start
};

TEST_F(Closing, WaitsForAWorkerThatTellsThatItBegins) {
    // who asks a SchedulerTelemetry for a worker while it ends would be wrong, whatever it waits for
    detail::SchedulerCore core{"closed", Clock::system(), true, {}};
    Held held{EventId::WorkerStarted, [&] { core.give_back(core.take(false)); }};
    EXPECT_TRUE(waits_for(held, [&] { core.close(); }));
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerStopped}));
}

TEST_F(Closing, WaitsForAWorkerThatTellsOfANewSink) {
    auto telemetry = std::make_unique<SchedulerTelemetry>("closed");
    const auto sink = std::make_shared<Kept>();
    Held held{EventId::WorkerDumped, [&] {
                  telemetry->here();
                  install_sink(sink, kPatient);
              }};
    EXPECT_TRUE(waits_for(held, [&] { telemetry.reset(); }));
    EXPECT_EQ(recording().ids(), (std::vector{EventId::WorkerStarted, EventId::WorkerDumped, EventId::WorkerStopped}));
    EXPECT_TRUE(uninstall_sink());
    EXPECT_EQ(sink->names(), (std::vector<std::string>{"WorkerDumped", "WorkerStopped"}));
}

// That the clock is read too late is for ThreadSanitizer to say: nothing here orders the thread's reading of it before
// its end, so neither the sink, which stands still, nor the recording's lock may be asked in between.
TEST_F(Closing, AWorkerThatTellsThatItEndsNeedsTheClockNoMore) {
    const auto sink = std::make_shared<Kept>();
    auto clock = std::make_unique<VirtualClock>();
    auto telemetry = std::make_unique<SchedulerTelemetry>("closed", TelemetryOptions{.clock = clock.get()});
    sink->close();
    install_sink(sink, {.flush_timeout = 1ms});
    recording().is_held = recording().released = false;
    recording().hold = static_cast<int>(EventId::WorkerStopped);
    std::atomic<bool> stuck{false};
    std::thread thread{[&] {
        const WorkerLease worker = telemetry->worker();
        stuck = eventually([&] { return sink->in_call(); });  // the sink, with this worker's first word
    }};
    EXPECT_TRUE(eventually([&] { return stuck.load(); }));
    const auto until = std::chrono::steady_clock::now() + kHeldHang;
    while (!recording().is_held.load(std::memory_order_relaxed) && std::chrono::steady_clock::now() < until)
        std::this_thread::yield();
    telemetry.reset();
    clock.reset();
    recording().released = true;
    thread.join();
    EXPECT_TRUE(recording().is_held);
    sink->open();
    EXPECT_TRUE(eventually([&] { return sink->of("WorkerStopped").size() == 1; }));
    uninstall_sink();
}

}  // namespace
}  // namespace tiffany::testing
