// The suite's programs. Where one task must find another in a certain state, it waits for that (Step::until), so that
// the hooks do not depend on the order in which a runtime runs what is ready.

#include <tiffany/testing/program.hpp>

namespace tiffany::testing {
namespace {

using namespace std::chrono_literals;

constexpr catalogue::StateSet kWaiting{TaskState::Waiting};
constexpr catalogue::StateSet kThrottled{TaskState::Throttled};

// As long as the program cancels who waits so long, or destroys it.
constexpr std::chrono::nanoseconds kForEver = 1h;

std::vector<Program> lives() {
    return {
        {.name = "ATaskThatReturnsIsDone", .tasks = {{.name = "task"}}},
        {.name = "AYieldStaysReady",
         .tasks = {{.name = "yielder", .steps = {Step::yield(), Step::yield(), Step::yield()}}}},
        {.name = "TasksThatYieldRunOneAtATime",
         .tasks = {{.name = "first", .steps = {Step::yield(), Step::yield()}},
                   {.name = "second", .steps = {Step::yield(), Step::yield()}},
                   {.name = "third", .steps = {Step::yield()}}}},
        {.name = "AnExceptionThatLeavesATaskFailsItAlone",
         .tasks = {{.name = "failing", .steps = {Step::fail("no such page")}},
                   {.name = "late", .steps = {Step::yield(), Step::fail("torn")}},
                   {.name = "other", .steps = {Step::yield()}}}},
        {.name = "ARunHoldsTheWorkOfItsTask",
         .tasks = {{.name = "worker", .steps = {Step::burn(1ms), Step::yield(), Step::burn(1ms)}},
                   {.name = "other", .steps = {Step::burn(1ms)}}}},
        {.name = "ASpawnTellsItsParent",
         .tasks = {{.name = "parent", .steps = {Step::spawn(1), Step::spawn(2)}},
                   {.name = "child"},
                   {.name = "mother", .steps = {Step::spawn(3)}},
                   {.name = "grandchild"}}},
        {.name = "ASpawnTellsItsGroup",
         .tasks = {{.name = "grouped", .group = "conformance"}, {.name = "not grouped"}}},
        {.name = "ASpawnTellsItsPriority",
         .tasks = {{.name = "urgent", .priority = 3}, {.name = "not urgent", .priority = 20}}},
        {.name = "ATaskThatNeverRanIsDestroyedFromReady",
         .tasks = {{.name = "first"}, {.name = "second"}},
         .ending = Ending::not_run},
    };
}

std::vector<Program> waits() {
    return {
        {.name = "ASleepEndsByTheTimer",
         .tasks = {{.name = "sleeper", .steps = {Step::sleep(1ms), Step::sleep(2ms)}},
                   {.name = "other", .steps = {Step::sleep(2ms)}}}},
        {.name = "AnEventWakesAllThatWait",
         .tasks = {{.name = "first waiter", .steps = {Step::wait(0)}},
                   {.name = "second waiter", .steps = {Step::wait(0)}},
                   {.name = "other waiter", .steps = {Step::wait(1)}},
                   {.name = "setter",
                    .steps = {Step::until(0, kSuspended), Step::until(1, kSuspended), Step::set(0),
                              Step::until(2, kSuspended), Step::set(1)}}}},
        {.name = "AnEventThatIsSetIsNoWait",
         .tasks = {{.name = "task", .steps = {Step::set(0), Step::wait(0).at_once()}}}},
        // who has a lock first spawns the one that waits for it: else that one might be first
        {.name = "AnUnlockWakesWhoWaitsForTheLock",
         .tasks = {{.name = "holder",
                    .steps = {Step::lock(0).at_once(), Step::spawn(1), Step::until(1, kWaiting), Step::unlock(0)}},
                   {.name = "waiter", .steps = {Step::lock(0), Step::yield(), Step::unlock(0)}},
                   {.name = "other", .steps = {Step::lock(1).at_once(), Step::yield(), Step::unlock(1)}}}},
        {.name = "AReleaseWakesWhoWaitsForTheSemaphore",
         .tasks = {{.name = "first", .steps = {Step::acquire(0)}},
                   {.name = "second", .steps = {Step::acquire(1), Step::yield()}},
                   {.name = "giver",
                    .steps = {Step::until(0, kWaiting), Step::release(0), Step::until(1, kWaiting), Step::release(1)}},
                   {.name = "alone", .steps = {Step::release(2), Step::acquire(2).at_once()}}}},
        {.name = "AValueWakesWhoWaitsForTheChannel",
         .tasks = {{.name = "receiver", .steps = {Step::receive(0), Step::yield()}},
                   {.name = "sender", .steps = {Step::until(0, kWaiting), Step::send(0).at_once()}},
                   {.name = "alone", .steps = {Step::send(1).at_once(), Step::receive(1).at_once()}}}},
        {.name = "RoomWakesWhoWaitsForTheChannel",
         .tasks = {{.name = "sender", .steps = {Step::send(0).at_once(), Step::send(0), Step::yield()}},
                   {.name = "receiver", .steps = {Step::until(0, kWaiting), Step::receive(0).at_once()}}}},
        {.name = "AWakeEndsABlock",
         .tasks = {{.name = "first", .steps = {Step::block()}},
                   {.name = "second", .steps = {Step::block(), Step::yield()}},
                   {.name = "waker",
                    .steps = {Step::until(0, kSuspended), Step::wake(0), Step::until(1, kSuspended), Step::wake(1)}}}},
        {.name = "AWakeThatCameFirstMakesABlockAYield",
         .tasks = {{.name = "task", .steps = {Step::wake(0), Step::block().woken_before()}}}},
        {.name = "AJoinEndsWithItsTarget",
         .tasks = {{.name = "joiner", .steps = {Step::join(1)}},
                   {.name = "target", .steps = {Step::until(0, kWaiting)}}}},
        {.name = "AJoinOfAFailedTaskEndsLikeAnyOther",
         .tasks = {{.name = "joiner", .steps = {Step::join(1)}},
                   {.name = "target", .steps = {Step::until(0, kWaiting), Step::fail("gone")}}}},
        {.name = "AJoinOfACancelledTaskEndsLikeAnyOther",
         .tasks = {{.name = "joiner", .steps = {Step::join(1)}},
                   {.name = "target", .steps = {Step::sleep(kForEver).cancelled()}},
                   {.name = "canceller",
                    .steps = {Step::until(0, kWaiting), Step::until(1, kSuspended), Step::cancel(1)}}}},
        {.name = "AJoinOfATaskThatHasEndedIsNoWait",
         .tasks = {{.name = "target"}, {.name = "joiner", .steps = {Step::until(0, kEnded), Step::join(0).at_once()}}}},
        {.name = "ADescriptorWakesWhoWaitsForIt",
         .tasks = {{.name = "reader", .steps = {Step::read(0)}},
                   {.name = "other reader", .steps = {Step::read(1), Step::yield()}},
                   {.name = "writer",
                    .steps = {Step::until(0, kWaiting), Step::write(0), Step::until(1, kWaiting), Step::write(1)}}}},
        {.name = "ADescriptorThatIsReadyIsNoWait",
         .tasks = {{.name = "task", .steps = {Step::write(0), Step::read(0).at_once()}}}},
        {.name = "AWaitThatTimesOutEndsByTheTimer",
         .tasks = {{.name = "task", .steps = {Step::wait(0).timed_out(1ms)}}}},
        {.name = "AnIoWaitThatTimesOutEndsByTheTimer",
         .tasks = {{.name = "task", .steps = {Step::read(0).timed_out(1ms)}}}},
        {.name = "AJoinThatTimesOutEndsByTheTimer",
         .tasks = {{.name = "joiner",
                    .steps = {Step::join(1).timed_out(1ms), Step::until(1, kSuspended), Step::cancel(1)}},
                   {.name = "target", .steps = {Step::sleep(kForEver).cancelled()}}}},
        {.name = "ATaskBeginsWhenWhatItDependsOnHasFinished",
         .tasks = {{.name = "target", .steps = {Step::until(1, kWaiting)}},
                   {.name = "dependent", .dependencies = {0}}}},
        {.name = "ATaskIsCancelledWhenWhatItDependsOnFails",
         .tasks = {{.name = "target", .steps = {Step::until(1, kWaiting), Step::fail("no")}},
                   {.name = "dependent", .dependencies = {0}}}},
        {.name = "ATaskThatWaitsIsDestroyedFromWhereItIs",
         .tasks = {{.name = "sleeper", .steps = {Step::sleep(kForEver).destroyed()}},
                   {.name = "waiter", .steps = {Step::wait(0).destroyed()}}},
         .ending = Ending::idle},
    };
}

std::vector<Program> cancellations() {
    return {
        {.name = "ASleepingTaskIsCancelled",
         .tasks = {{.name = "sleeper", .steps = {Step::sleep(kForEver).cancelled()}},
                   {.name = "canceller", .steps = {Step::until(0, kSuspended), Step::cancel(0), Step::cancel(0)}}}},
        {.name = "AWaitingTaskIsCancelled",
         .tasks = {{.name = "waiter", .steps = {Step::wait(0).cancelled()}},
                   {.name = "canceller", .steps = {Step::until(0, kSuspended), Step::cancel(0), Step::set(0)}}}},
        {.name = "ATaskThatJoinsIsCancelled",
         .tasks = {{.name = "joiner", .steps = {Step::join(1).cancelled()}},
                   {.name = "target", .steps = {Step::until(0, kSuspended), Step::cancel(0)}}}},
        {.name = "ATaskThatWaitsForADescriptorIsCancelled",
         .tasks = {{.name = "reader", .steps = {Step::read(0).cancelled()}},
                   {.name = "canceller", .steps = {Step::until(0, kSuspended), Step::cancel(0)}}}},
        {.name = "ATaskThatWaitsForALockIsCancelled",
         .tasks = {{.name = "holder",
                    .steps = {Step::lock(0).at_once(), Step::spawn(1), Step::until(1, kWaiting), Step::cancel(1),
                              Step::unlock(0)}},
                   {.name = "waiter", .steps = {Step::lock(0).cancelled()}}}},
        {.name = "ATaskThatWaitsForASemaphoreIsCancelled",
         .tasks = {{.name = "waiter", .steps = {Step::acquire(0).cancelled()}},
                   {.name = "canceller", .steps = {Step::until(0, kWaiting), Step::cancel(0), Step::release(0)}}}},
        {.name = "ATaskThatWaitsForAChannelIsCancelled",
         .tasks = {{.name = "waiter", .steps = {Step::receive(0).cancelled()}},
                   {.name = "canceller",
                    .steps = {Step::until(0, kWaiting), Step::cancel(0), Step::send(0).at_once()}}}},
        {.name = "ATaskThatWaitsForADependencyIsCancelled",
         // the target outlives it: a request may be on its way for a while
         .tasks = {{.name = "target", .steps = {Step::until(1, kWaiting), Step::cancel(1), Step::until(1, kEnded)}},
                   {.name = "dependent", .dependencies = {0}, .start = Outcome::cancelled}}},
        {.name = "AThrottledTaskIsCancelled",
         .tasks = {{.name = "spender",
                    .steps = {Step::burn(3ms), Step::yield().cancelled_over_budget()},
                    .budget = 1ms,
                    .budget_period = 4ms},
                   {.name = "canceller", .steps = {Step::until(0, kThrottled), Step::cancel(0)}}},
         .virtual_time = true},
        {.name = "AReadyTaskIsCancelledWhenItRuns",
         .tasks = {{.name = "yielder", .steps = {Step::spin()}}, {.name = "canceller", .steps = {Step::cancel(0)}}}},
        {.name = "ARunningTaskIsCancelledAtItsNextSuspension",
         .tasks = {{.name = "task", .steps = {Step::cancel(0), Step::yield().cancelled_before()}}}},
        {.name = "ATaskThatCatchesItsCancellationEndsAsItEnds",
         .tasks = {{.name = "stubborn", .steps = {Step::sleep(kForEver).caught(), Step::yield()}},
                   {.name = "angry", .steps = {Step::sleep(kForEver).caught(), Step::fail("not now")}},
                   {.name = "canceller",
                    .steps = {Step::until(0, kSuspended), Step::cancel(0), Step::until(1, kSuspended),
                              Step::cancel(1)}}}},
        {.name = "AShutdownCancelsWhatIsAlive",
         .tasks = {{.name = "sleeper", .steps = {Step::sleep(kForEver).cancelled()}},
                   {.name = "other sleeper", .steps = {Step::sleep(kForEver).cancelled()}},
                   {.name = "short", .steps = {Step::yield()}}},
         .ending = Ending::shutdown},
        {.name = "ATaskThatWaitsIsShutDown",
         .tasks = {{.name = "waiter", .steps = {Step::wait(0).cancelled()}},
                   {.name = "reader", .steps = {Step::read(0).cancelled()}}},
         .ending = Ending::shutdown},
        {.name = "ATaskThatCatchesItsShutdownEndsAsItEnds",
         .tasks = {{.name = "stubborn", .steps = {Step::sleep(kForEver).caught(), Step::yield()}}},
         .ending = Ending::shutdown},
    };
}

std::vector<Program> limits() {
    return {
        {.name = "AYieldPastTheQuantumIsThrottledAndStaysReady",
         .tasks = {{.name = "long", .steps = {Step::burn(kLongRun), Step::yield().over_quantum(), Step::yield()}}}},
        {.name = "AYieldPastTheBudgetWaitsForTheQuota",
         .tasks = {{.name = "spender",
                    .steps = {Step::burn(3ms), Step::yield().over_budget()},
                    .budget = 1ms,
                    .budget_period = 4ms}},
         .virtual_time = true},
    };
}

std::vector<Program> threads() {
    Program many{.name = "TasksOnSeveralWorkersRunOneAtATimeOnEach", .workers = 4};
    for (int i = 0; i < 64; ++i)
        many.tasks.push_back({.name = "yielder " + std::to_string(i), .steps = std::vector<Step>(20, Step::yield())});
    // several long times, so that a thread that the machine stops just before it parks parks in the next one
    Program idle{.name = "AWorkerThatIsWokenFromOutsideHasParked", .parks = true};
    for (std::size_t i = 0; i < 5; ++i) {
        idle.tasks.push_back({.name = "blocked " + std::to_string(i), .steps = {Step::block()}});
        idle.outside.insert(idle.outside.end(), {Step::until(i, kSuspended), Step::burn(10ms), Step::wake(i)});
    }
    Program wakes{.name = "ReadyPrecedesRunningOnAnotherWorker", .workers = 4};
    for (std::size_t i = 0; i < 32; ++i) {
        wakes.tasks.push_back({.name = "blocked " + std::to_string(i), .steps = {Step::block(), Step::yield()}});
        wakes.outside.insert(wakes.outside.end(), {Step::until(i, kSuspended), Step::wake(i)});
    }
    return {
        {.name = "AThreadOutsideWakesABlockedTask",
         .tasks = {{.name = "blocked", .steps = {Step::block()}}},
         .outside = {Step::until(0, kSuspended), Step::wake(0)}},
        {.name = "AThreadOutsideSpawnsATask",
         .tasks = {{.name = "keeper", .steps = {Step::block()}}, {.name = "foreign", .steps = {Step::yield()}}},
         .outside = {Step::spawn(1), Step::until(1, kEnded), Step::until(0, kSuspended), Step::wake(0)}},
        {.name = "AWorkerWithNothingToRunParks",
         .tasks = {{.name = "sleeper", .steps = std::vector<Step>(5, Step::sleep(10ms))}},
         .parks = true},
        std::move(idle),
        std::move(many),
        std::move(wakes),
    };
}

}  // namespace

const std::vector<Program>& conformance_programs() {
    static const std::vector<Program> all = [] {
        std::vector<Program> programs;
        for (auto part : {lives, waits, cancellations, limits, threads})
            for (Program& program : part())
                programs.push_back(std::move(program));
        return programs;
    }();
    return all;
}

}  // namespace tiffany::testing
