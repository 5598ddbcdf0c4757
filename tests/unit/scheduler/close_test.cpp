// The end of a scheduler with live tasks.

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Close : public Scheduled {};

TEST_F(Close, CancelsEachTaskOnceFromWhereItIs) {
    Event never;
    auto burner = [](VirtualClock& time) -> Task<> {
        time.advance(20'000);
        co_await yield();
    };
    const TaskHandle sleeping = scheduler.spawn({}, sleep(1h));
    const TaskHandle waiting = scheduler.spawn({}, wait_for(never));
    const TaskHandle throttled = scheduler.spawn({.budget = 10us}, burner(clock));
    scheduler.run_until_idle();
    const TaskHandle ready = scheduler.spawn({}, nothing());
    const TaskRef needs[] = {waiting};
    const TaskHandle dependent = scheduler.spawn({.dependencies = needs}, nothing());
    scheduler.close();
    EXPECT_EQ(story_of(sleeping).back(), "Cancelled destroyed from Sleeping");
    EXPECT_EQ(story_of(waiting).back(), "Cancelled destroyed from Waiting");
    EXPECT_EQ(story_of(throttled).back(), "Cancelled destroyed from Throttled");
    EXPECT_EQ(story_of(ready).back(), "Cancelled destroyed from Ready");
    EXPECT_EQ(story_of(dependent).back(), "Cancelled destroyed from Waiting");
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Cancelled), 5u);
    expect_queue_equation();
}

TEST_F(Close, WakesNoJoiner) {
    auto joiner = [](TaskHandle target) -> Task<> { co_await join(target); };
    const TaskHandle target = scheduler.spawn({}, sleep(1h));
    const TaskHandle task = scheduler.spawn({}, joiner(target));
    scheduler.run_until_idle();
    scheduler.close();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Ready", "Running", by("Join", target), "Cancelled destroyed from Waiting"));
}

TEST_F(Close, DestroysFramesFromTheInside) {
    std::vector<int> destroyed;
    struct Guard {
        std::vector<int>& list;
        int number;
        ~Guard() { list.push_back(number); }
    };
    auto inner = [](std::vector<int>& list) -> Task<> {
        const Guard guard{list, 1};
        co_await sleep_for(1h);
    };
    auto outer = [&](std::vector<int>& list) -> Task<> {
        const Guard guard{list, 2};
        co_await inner(list);
    };
    scheduler.spawn({}, outer(destroyed));
    scheduler.run_until_idle();
    scheduler.close();
    EXPECT_THAT(destroyed, ElementsAre(1, 2));
}

TEST_F(Close, GivesTheWorkerBack) {
    scheduler.close();
    EXPECT_EQ(recording().of(EventId::WorkerStopped).size(), 1u);
    scheduler.close();
    EXPECT_EQ(recording().of(EventId::WorkerStopped).size(), 1u);
}

TEST_F(Close, DestructorsOfTasksMayCallTheScheduler) {
    Event event;
    bool refused = false;
    struct Busy {
        Scheduler& scheduler;
        Event& event;
        bool& refused;
        ~Busy() {
            event.set();
            try {
                scheduler.spawn({.name = "late"}, nothing());
            } catch (const SpawnRefused& why) {
                refused = why.reason() == SpawnRefused::Reason::closed;
            }
        }
    };
    auto task = [](Scheduler& s, Event& e, bool& r) -> Task<> {
        const Busy busy{s, e, r};
        co_await sleep_for(1h);
    };
    const TaskHandle waiting = scheduler.spawn({}, wait_for(event));
    scheduler.spawn({}, task(scheduler, event, refused));
    scheduler.run_until_idle();
    scheduler.close();
    EXPECT_TRUE(refused);
    EXPECT_EQ(story_of(waiting).back(), "Cancelled destroyed from Waiting");
}

TEST_F(Close, AHandleOutlivesTheScheduler) {
    TaskHandle task;
    {
        Scheduler short_lived{{.name = "short", .clock = &clock}};
        task = short_lived.spawn({}, sleep(1h));
        short_lived.run_until_idle();
    }
    EXPECT_EQ(task.state(), TaskState::Cancelled);
    EXPECT_FALSE(task.cancel());
    task.wake();
}

TEST_F(Close, AnEventMayDieBeforeItsWaiters) {
    auto event = std::make_unique<Event>();
    const TaskHandle task = scheduler.spawn({}, wait_for(*event));
    scheduler.run_until_idle();
    event.reset();
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

}  // namespace
}  // namespace tiffany::testing
