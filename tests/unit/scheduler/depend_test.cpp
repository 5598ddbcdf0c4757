// Tasks that begin when others have finished.

#include <array>
#include <initializer_list>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "story.hpp"

namespace tiffany::testing {
namespace {

// What outlives the call converts to dependencies, what would not does not.
template <typename Range>
constexpr bool kConverts = std::is_convertible_v<Range, TaskRefs>;
static_assert(kConverts<TaskRef (&)[2]> && kConverts<const TaskRef (&)[1]>);
static_assert(kConverts<std::array<TaskRef, 2>&> && kConverts<const std::array<TaskRef, 0>&>);
static_assert(kConverts<std::vector<TaskRef>&> && kConverts<const std::vector<TaskRef>&>);
static_assert(kConverts<std::span<TaskRef>&> && kConverts<const std::span<const TaskRef, 3>&>);
static_assert(kConverts<TaskRefs&> && kConverts<TaskRefs>);
static_assert(!kConverts<TaskRef (&&)[2]> && !kConverts<const TaskRef (&&)[2]>);
static_assert(!kConverts<std::array<TaskRef, 2>> && !kConverts<const std::array<TaskRef, 2>>);
static_assert(!kConverts<std::vector<TaskRef>> && !kConverts<const std::vector<TaskRef>>);
static_assert(!kConverts<std::span<const TaskRef>> && !kConverts<std::initializer_list<TaskRef>>);
static_assert(!kConverts<std::vector<TaskHandle>&> && !kConverts<TaskRef&> && !kConverts<const TaskHandle&>);
static_assert(std::is_trivially_copyable_v<TaskRefs> && std::is_trivially_destructible_v<TaskRefs>);

class Depend : public Scheduled {};

TEST_F(Depend, ATaskBeginsWhenItsLastDependencyHasFinished) {
    Event event;
    const TaskHandle first = scheduler.spawn({}, nothing());
    const TaskHandle last = scheduler.spawn({}, wait_for(event));
    const TaskRef needs[] = {first, last};
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, nothing());
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
    const TaskRef needs[] = {scheduler.spawn({}, nothing())};
    scheduler.run_until_idle();
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, nothing());
    EXPECT_EQ(story_of(task).front(), "Spawned Ready");
}

TEST_F(Depend, ADependencyThatFailsCancelsTheTaskWhereItIs) {
    const TaskHandle broken = scheduler.spawn({}, fail("no"));
    const TaskRef needs[] = {broken};
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, nothing());
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Waiting", by("Cancelled dependency by", broken) + " from Waiting"));
}

TEST_F(Depend, ADependencyThatHadFailedCancelsTheTaskAtItsSpawn) {
    const TaskHandle broken = scheduler.spawn({}, fail("no"));
    scheduler.run_until_idle();
    const TaskRef needs[] = {broken};
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, nothing());
    EXPECT_THAT(story_of(task),
                ElementsAre("Spawned Waiting", by("Cancelled dependency by", broken) + " from Waiting"));
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Depend, ACancellationGoesDownALongChainWithoutStack) {
    Event never;
    TaskHandle last = scheduler.spawn({}, wait_for(never));
    const TaskHandle first = last;
    for (int i = 0; i < 50'000; ++i) {
        const TaskRef needs[] = {last};
        last = scheduler.spawn({.dependencies = needs}, nothing());
    }
    scheduler.run_until_idle();
    first.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(last.state(), TaskState::Cancelled);
    EXPECT_EQ(scheduler.live(), 0u);
    EXPECT_EQ(scheduler.telemetry().count(TaskEvent::Cancelled), 50'001u);
}

TEST_F(Depend, ATaskOfAnotherSchedulerIsNoDependency) {
    Scheduler other{{.name = "other", .clock = &clock}};
    const TaskRef foreign[] = {other.spawn({}, nothing())};
    const TaskRef none[] = {TaskHandle{}};
    EXPECT_THROW(scheduler.spawn({.dependencies = foreign}, nothing()), std::invalid_argument);
    EXPECT_THROW(scheduler.spawn({.dependencies = none}, nothing()), std::invalid_argument);
}

TEST_F(Depend, AHandleThatStandsForNoTaskDoesNothingAndIsNoDependency) {
    const TaskHandle none;
    EXPECT_FALSE(none);
    EXPECT_EQ(none.tid(), 0u);
    EXPECT_EQ(none.state(), TaskState::None);
    EXPECT_FALSE(none.ended());
    EXPECT_EQ(none.error(), "");
    EXPECT_FALSE(none.cancel());
    none.wake();
    EXPECT_EQ(ResultHandle<int>{}.result(), nullptr);
    const TaskRef needs[] = {none};
    try {
        scheduler.spawn({.dependencies = needs}, nothing());
        FAIL() << "it was spawned";
    } catch (const std::invalid_argument& error) {
        EXPECT_STREQ(error.what(), "cannot depend on a task: the handle stands for no task");
    }
}

TEST_F(Depend, ATidIsEnoughWhileSomebodyHasAHandle) {
    Event event;
    const TaskHandle pending = scheduler.spawn({}, wait_for(event));
    const TaskHandle cancelled = scheduler.spawn({}, sleep(1h));
    scheduler.run_until_idle();
    cancelled.cancel();
    scheduler.run_until_idle();
    const std::array<TaskRef, 2> tids{pending.tid(), cancelled.tid()};
    const std::span<const TaskRef> first_tid{tids.data(), 1};
    const TaskHandle waits = scheduler.spawn({.dependencies = first_tid}, nothing());
    const TaskHandle refused = scheduler.spawn({.dependencies = tids}, nothing());
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
    std::vector<TaskRef> needs{std::move(first), second};
    const TaskHandle task = scheduler.spawn({.dependencies = needs}, wait_for(never));
    needs.clear();
    scheduler.run_until_idle();
    const TaskRef unknown[] = {std::uint64_t{999'999}};
    const TaskRef known[] = {tid};
    EXPECT_THROW(scheduler.spawn({.dependencies = unknown}, nothing()), std::invalid_argument);
    EXPECT_NO_THROW(scheduler.spawn({.dependencies = known}, nothing())) << "the waiting task holds it";
    event.set();
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Waiting);
    EXPECT_THROW(scheduler.spawn({.dependencies = known}, nothing()), std::invalid_argument) << "nobody does any more";
}

TEST_F(Depend, ATaskThatEndsWithoutAHandleIsNoDependencyForWhatItDestroys) {
    bool refused = false;
    std::uint64_t tid = 0;
    auto owns = [](std::shared_ptr<void> /*until_its_end*/) -> Task<> { co_return; };
    std::shared_ptr<void> depend_on_owner{nullptr, [&](void*) {
                                              const TaskRef needs[] = {tid};
                                              try {
                                                  scheduler.spawn({.dependencies = needs}, nothing());
                                              } catch (const std::invalid_argument&) {
                                                  refused = true;
                                              }
                                          }};
    const TaskRef failing[] = {scheduler.spawn({}, fail("so the other one never begins"))};
    tid = scheduler.spawn({.dependencies = failing}, owns(std::move(depend_on_owner))).tid();
    scheduler.run_until_idle();
    EXPECT_TRUE(refused);
}

TEST_F(Depend, WhoIsCancelledInTheMiddleLeavesTheOthersInTheirOrder) {
    Event event;
    const TaskRef first[] = {scheduler.spawn({}, wait_for(event))};
    std::vector<int> order;
    auto notes = [](std::vector<int>& list, int number) -> Task<> {
        list.push_back(number);
        co_return;
    };
    std::vector<TaskHandle> tasks;
    for (int i = 0; i < 4; ++i)
        tasks.push_back(scheduler.spawn({.dependencies = first}, notes(order, i)));
    scheduler.run_until_idle();
    tasks[1].cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(tasks[1].state(), TaskState::Cancelled);
    event.set();
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre(0, 2, 3));
}

// With g++ 12.2 what such a temporary owned would be destroyed twice, and the handles with it.
TEST_F(Depend, OptionsMayBeMadeInTheStatementThatAwaits) {
    TaskHandle kept;
    TaskHandle dependent;
    auto spawner = [](TaskHandle& one, TaskHandle& other) -> Task<> {
        const TaskHandle first = co_await spawn({.name = "first"}, sleep(2ms));
        const TaskHandle last = co_await spawn({.name = "last"}, sleep(1ms));
        one = first;
        const TaskRef needs[] = {first, last};
        other = co_await spawn({.name = "dependent", .dependencies = needs}, nothing());
        co_await join(co_await spawn({.name = "joined", .dependencies = needs}, nothing()));
    };
    const TaskHandle task = scheduler.spawn({}, spawner(kept, dependent));
    scheduler.run();
    EXPECT_EQ(task.state(), TaskState::Finished) << task.error();
    EXPECT_THAT(story_of(dependent),
                ElementsAre("Spawned Waiting", by("Ready dependency by", kept), "Running", "Done"));
    const TaskRef by_tid[] = {kept.tid()};
    EXPECT_NO_THROW(scheduler.spawn({.dependencies = by_tid}, nothing())) << "this handle is left";
    scheduler.run();
    kept = {};
    EXPECT_THROW(scheduler.spawn({.dependencies = by_tid}, nothing()), std::invalid_argument) << "and no other one";
}

}  // namespace
}  // namespace tiffany::testing
