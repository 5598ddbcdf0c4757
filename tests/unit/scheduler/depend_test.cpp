// Tasks that begin when others have finished.

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Depend : public Scheduled {};

TEST_F(Depend, ATaskBeginsWhenItsLastDependencyHasFinished) {
    Event event;
    const TaskHandle first = scheduler.spawn({}, nothing());
    const TaskHandle last = scheduler.spawn({}, wait_for(event));
    const TaskHandle task = scheduler.spawn({.dependencies = {first, last}}, nothing());
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Waiting);
    event.set();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Waiting", by("Ready dependency by", last), "Running", "Done"));
    EXPECT_EQ(recording().last<tiffany_task_running>(EventId::TaskRunning).waited,
              static_cast<std::uint8_t>(WaitKind::dependency));
    expect_queue_equation();
}

TEST_F(Depend, DependenciesThatHaveFinishedDoNotCount) {
    const TaskHandle first = scheduler.spawn({}, nothing());
    scheduler.run_until_idle();
    const TaskHandle task = scheduler.spawn({.dependencies = {first}}, nothing());
    EXPECT_EQ(story_of(task).front(), "Spawned Ready");
}

TEST_F(Depend, ADependencyThatFailsCancelsTheTaskWhereItIs) {
    const TaskHandle broken = scheduler.spawn({}, fail("no"));
    const TaskHandle task = scheduler.spawn({.dependencies = {broken}}, nothing());
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Waiting", by("Cancelled dependency by", broken) + " from Waiting"));
}

TEST_F(Depend, ADependencyThatHadFailedCancelsTheTaskAtItsSpawn) {
    const TaskHandle broken = scheduler.spawn({}, fail("no"));
    scheduler.run_until_idle();
    const TaskHandle task = scheduler.spawn({.dependencies = {broken}}, nothing());
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Waiting", by("Cancelled dependency by", broken) + " from Waiting"));
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Depend, ACancellationGoesDownALongChainWithoutStack) {
    Event never;
    TaskHandle last = scheduler.spawn({}, wait_for(never));
    const TaskHandle first = last;
    for (int i = 0; i < 50'000; ++i)
        last = scheduler.spawn({.dependencies = {last}}, nothing());
    scheduler.run_until_idle();
    first.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(last.state(), TaskState::Cancelled);
    EXPECT_EQ(scheduler.live(), 0u);
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Cancelled), 50'001u);
}

TEST_F(Depend, ATaskOfAnotherSchedulerIsNoDependency) {
    Scheduler other{{.name = "other", .clock = &clock}};
    const TaskHandle foreign = other.spawn({}, nothing());
    EXPECT_THROW(scheduler.spawn({.dependencies = {foreign}}, nothing()), std::invalid_argument);
    EXPECT_THROW(scheduler.spawn({.dependencies = {TaskHandle{}}}, nothing()), std::invalid_argument);
}

TEST_F(Depend, ATidIsEnoughWhileSomebodyHasAHandle) {
    Event event;
    const TaskHandle pending = scheduler.spawn({}, wait_for(event));
    const TaskHandle cancelled = scheduler.spawn({}, sleep(1h));
    scheduler.run_until_idle();
    cancelled.cancel();
    scheduler.run_until_idle();
    const TaskHandle waits = scheduler.spawn({.dependencies = {pending.tid()}}, nothing());
    const TaskHandle refused = scheduler.spawn({.dependencies = {pending.tid(), cancelled.tid()}}, nothing());
    EXPECT_EQ(waits.state(), TaskState::Waiting);
    EXPECT_EQ(story_of(refused).back(), by("Cancelled dependency by", cancelled) + " from Waiting");
    event.set();
    scheduler.run_until_idle();
    EXPECT_EQ(waits.state(), TaskState::Finished);
}

TEST_F(Depend, ADependencyIsLetGoWhenTheTaskBegins) {
    Event never;
    TaskHandle first = scheduler.spawn({}, nothing());
    const std::uint64_t tid = first.tid();
    Event event;
    const TaskHandle second = scheduler.spawn({}, wait_for(event));
    const TaskHandle task = scheduler.spawn({.dependencies = {first, second}}, wait_for(never));
    first = {};
    scheduler.run_until_idle();
    EXPECT_THROW(scheduler.spawn({.dependencies = {std::uint64_t{999'999}}}, nothing()), std::invalid_argument);
    EXPECT_NO_THROW(scheduler.spawn({.dependencies = {tid}}, nothing())) << "the waiting task holds it";
    event.set();
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Waiting);
    EXPECT_THROW(scheduler.spawn({.dependencies = {tid}}, nothing()), std::invalid_argument) << "nobody does any more";
}

TEST_F(Depend, WhoIsCancelledInTheMiddleLeavesTheOthersInTheirOrder) {
    Event event;
    const TaskHandle first = scheduler.spawn({}, wait_for(event));
    std::vector<int> order;
    auto notes = [](std::vector<int>& list, int number) -> Task<> {
        list.push_back(number);
        co_return;
    };
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 4; ++i)
        tasks.push_back(scheduler.spawn({.dependencies = {first}}, notes(order, i)));
    scheduler.run_until_idle();
    tasks[1].cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(tasks[1].state(), TaskState::Cancelled);
    event.set();
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre(0, 2, 3));
}

}  // namespace
}  // namespace tiffany::testing
