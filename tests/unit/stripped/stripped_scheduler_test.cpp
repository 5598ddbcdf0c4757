// The scheduler does its work without telemetry: it keeps what it needs of a task by itself.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/collectable.h>
#include <prometheus/text_serializer.h>

#include <set>
#include <string>
#include <thread>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/scheduler/scheduler.hpp>
#include <vector>

namespace tiffany {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;

class StrippedScheduler : public ::testing::Test {
  protected:
    VirtualClock clock;
    Scheduler scheduler{{.name = "stripped", .clock = &clock}};
    std::vector<std::string> order;

    Task<> note(std::string what) {
        tiffany::note("order", what);  // told to nobody
        order.push_back(std::move(what));
        co_return;
    }
};

TEST_F(StrippedScheduler, NumbersItsTasksAndRunsTheMostUrgentFirst) {
    std::set<std::uint64_t> tids;
    for (const int priority : {255, 0, 10})
        tids.insert(
            scheduler.spawn({.priority = static_cast<std::uint8_t>(priority)}, note(std::to_string(priority))).tid());
    EXPECT_EQ(tids.size(), 3u);
    EXPECT_EQ(tids.count(0), 0u);
    EXPECT_EQ(scheduler.find(*tids.begin()).tid(), *tids.begin());
    scheduler.run();
    EXPECT_THAT(order, ElementsAre("0", "10", "255"));
}

TEST_F(StrippedScheduler, KnowsTheStateOfATaskAllItsLife) {
    std::vector<TaskState> seen;
    TaskHandle task;
    Event event;
    const auto life = [&]() -> Task<> {
        seen.push_back(task.state());
        co_await sleep_for(5ms);
        co_await event.wait();
    };
    task = scheduler.spawn({}, life());
    seen.push_back(task.state());
    scheduler.run_until_idle();
    seen.push_back(task.state());
    clock.advance(5'000'000);
    scheduler.run_until_idle();
    seen.push_back(task.state());
    event.set();
    seen.push_back(task.state());
    scheduler.run_until_idle();
    seen.push_back(task.state());
    EXPECT_THAT(seen, ElementsAre(TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting,
                                  TaskState::Ready, TaskState::Finished));
}

TEST_F(StrippedScheduler, TellsJoinersHowATaskEnded) {
    const auto fail = []() -> Task<> {
        co_await yield();
        throw std::runtime_error{"disk full"};
    };
    const auto told = [this](TaskHandle target) -> Task<> {
        try {
            co_await join(target);
        } catch (const TargetFailed& failed) {
            order.push_back(failed.message());
        } catch (const TargetCancelled& cancelled) {
            order.push_back(cancelled.target() == target.tid() ? "cancelled" : "another was");
        }
    };
    const auto forever = []() -> Task<> { co_await sleep_for(1h); };
    const TaskHandle failing = scheduler.spawn({}, fail());
    const TaskHandle sleeper = scheduler.spawn({}, forever());
    scheduler.spawn({}, told(failing));
    scheduler.spawn({}, told(sleeper));
    scheduler.run_until_idle();
    EXPECT_TRUE(sleeper.cancel());
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("disk full", "cancelled"));
    EXPECT_EQ(failing.state(), TaskState::Failed);
    EXPECT_EQ(sleeper.state(), TaskState::Cancelled);
}

TEST_F(StrippedScheduler, ParksATaskThatIsPastItsBudget) {
    const auto busy = [this]() -> Task<> {
        clock.advance(30'000'000);
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({.budget = 20ms, .budget_period = 100ms}, busy());
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Throttled);
    clock.advance(100'000'000);
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(StrippedScheduler, TakesTasksFromOtherThreads) {
    TaskHandle first;
    TaskHandle second;
    std::thread{[&] { first = scheduler.spawn({}, note("from elsewhere")); }}.join();
    const TaskRef needs[] = {first};
    std::thread{[&] { second = scheduler.spawn({.dependencies = needs}, note("after it")); }}.join();
    EXPECT_EQ(first.state(), TaskState::Ready);
    EXPECT_EQ(second.state(), TaskState::Waiting);
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("from elsewhere", "after it"));
}

TEST_F(StrippedScheduler, HasNoMetricsButThatItIsStripped) {
    scheduler.spawn({}, note("a"));
    scheduler.run();
    EXPECT_TRUE(make_collectable(scheduler.telemetry())->Collect().empty());
    const std::string process = prometheus::TextSerializer{}.Serialize(make_process_collectable()->Collect());
    EXPECT_NE(process.find("tiffany_tracing_unavailable{reason=\"stripped\"} 1"), std::string::npos) << process;
}

}  // namespace
}  // namespace tiffany
