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

}  // namespace
}  // namespace tiffany::testing
