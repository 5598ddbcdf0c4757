// What goes wrong only when threads meet: a request between a task's last look and its sleep, a task that its loop has
// not seen yet.

#include <unistd.h>

#include <array>
#include <atomic>
#include <barrier>
#include <stdexcept>
#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>
#include <tiffany/scheduler/semaphore.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

constexpr int kMeetings = 20'000;
constexpr int kNotBegun = -1;

Task<> count_cancellations(Event& never, std::atomic<int>& arrived) {
    arrived = 0;
    while (arrived < kMeetings) {
        try {
            switch (arrived % 3) {
                case 0:
                    co_await sleep_for(1h);
                    break;
                case 1:
                    co_await sleep_until_woken();
                    break;
                default:
                    co_await never.wait();
            }
        } catch (const TaskCancelled&) {
            ++arrived;
        }
    }
}

/// Gives up when no cancellation arrives for a while.
Task<> cancel_again_and_again(TaskHandle target, std::atomic<int>& arrived) {
    auto last_at = std::chrono::steady_clock::now();
    for (int last = kNotBegun; !target.ended();) {
        if (arrived != kNotBegun) target.cancel();
        if (std::exchange(last, arrived.load()) != last)
            last_at = std::chrono::steady_clock::now();
        else if (std::chrono::steady_clock::now() - last_at > 10s)
            break;
    }
    co_return;
}

class Race : public RealTime {};

TEST_F(Race, ACancellationThatMeetsASuspensionArrives) {
    Event never;
    std::atomic<int> arrived{kNotBegun};
    SchedulerPool pool{{.name = "race"}, {.workers = 2}};
    const TaskHandle target = pool.spawn({.worker = 0, .pinned = true}, count_cancellations(never, arrived));
    const TaskHandle canceller = pool.spawn({.worker = 1, .pinned = true}, cancel_again_and_again(target, arrived));
    while (!canceller.ended())
        std::this_thread::sleep_for(1ms);
    EXPECT_EQ(arrived, kMeetings);
}

/// Two tasks, each on a worker of its own, that meet again and again over a task whose handle was dropped.
class NobodyHasAHandle : public RealTime {
  protected:
    static constexpr int kRounds = 10'000;

    std::barrier<> meeting{2};
    std::atomic<std::uint64_t> target{0};
    std::atomic<int> accepted{0};
    std::atomic<bool> begun{false};
    std::atomic<bool> over{false};
    SchedulerPool pool{{.name = "unheld"}, {.workers = 2}};

    void run_both(Task<> first, Task<> second) {
        pool.spawn({.worker = 0, .pinned = true}, std::move(first));
        pool.spawn({.worker = 1, .pinned = true}, std::move(second));
        pool.wait();
    }

    Task<> try_to_join() {
        try {
            co_await join(target.load());
            ++accepted;
        } catch (const JoinError&) {
            ++accepted;
        } catch (const std::invalid_argument&) {
        }
    }
    Task<> spawn_and_join() {
        for (int i = 0; i < kRounds; ++i) {
            target = pool.spawn({}, nothing()).tid();
            meeting.arrive_and_wait();
            co_await try_to_join();
            meeting.arrive_and_wait();
            co_await yield();
        }
    }
    Task<> join_too() {
        for (int i = 0; i < kRounds; ++i) {
            meeting.arrive_and_wait();
            co_await try_to_join();
            meeting.arrive_and_wait();
            co_await yield();
        }
    }
    Task<> cancel_it() {
        for (int i = 0; i < kRounds; ++i) {
            meeting.arrive_and_wait();
            pool.cancel(target);
            meeting.arrive_and_wait();
            co_await yield();
        }
    }
    Task<> depend_again_and_again() {
        begun = true;
        for (int i = 0; i < kRounds; ++i) {
            const TaskRef needs[] = {pool.spawn({}, nothing()).tid()};
            try {
                pool.spawn({.dependencies = needs}, nothing());
                ++accepted;
            } catch (const std::invalid_argument&) {
            }
        }
        over = true;
        co_return;
    }
};

TEST_F(NobodyHasAHandle, TwoJoinsByNumberDoNotTakeEachOtherForOne) {
    run_both(spawn_and_join(), join_too());
    EXPECT_EQ(accepted, 0);
}

TEST_F(NobodyHasAHandle, AJoinDoesNotTakeACancelByNumberForOne) {
    run_both(spawn_and_join(), cancel_it());
    EXPECT_EQ(accepted, 0);
}

TEST_F(NobodyHasAHandle, ADependencyDoesNotTakeACancelOfAllForOne) {
    pool.spawn({.worker = 0, .pinned = true}, depend_again_and_again());
    while (!begun)
        std::this_thread::yield();
    while (!over)
        pool.cancel_all();
    pool.wait();
    EXPECT_EQ(accepted, 0);
}

class Unseen : public Scheduled {};

TEST_F(Unseen, ATaskThatDependsOnItsJoinerIsACycle) {
    bool thrown = false;
    auto joiner = [](bool& cycle) -> Task<> {
        SchedulerBase& here = co_await this_scheduler();
        const TaskHandle me = co_await current_task();
        const TaskRef needs[] = {me};
        TaskHandle dependent;
        std::jthread{[&] { dependent = here.spawn({.dependencies = needs}, nothing()); }}.join();
        try {
            co_await join(dependent);
        } catch (const JoinCycle&) {
            cycle = true;
        }
    };
    scheduler.spawn({}, joiner(thrown));
    scheduler.run();
    EXPECT_TRUE(thrown);
}

class SemaphoreQueue : public Scheduled {};

TEST_F(SemaphoreQueue, WhoIsCancelledInFrontLetsOthersPass) {
    Semaphore permits{2};
    auto acquire = [](Semaphore& semaphore, std::uint64_t count) -> Task<> {
        co_await semaphore.acquire(count);
        co_await sleep_until_woken();
        semaphore.release(count);
    };
    const TaskHandle holder = scheduler.spawn({}, acquire(permits, 1));
    const TaskHandle wants_two = scheduler.spawn({}, acquire(permits, 2));
    const TaskHandle wants_one = scheduler.spawn({}, acquire(permits, 1));
    scheduler.run_until_idle();
    wants_two.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(wants_one.state(), TaskState::Sleeping) << "it has what it wanted";
    holder.wake();
    wants_one.wake();
    scheduler.run();
    EXPECT_EQ(permits.available(), 2u);
}

class VirtualShutdown : public Scheduled {};

TEST_F(VirtualShutdown, EndsInTimeWhileATaskWaitsForADescriptor) {
    auto read = [](int fd) -> Task<> { co_await readable(fd); };
    std::array<int, 2> ends{};
    ASSERT_EQ(pipe(ends.data()), 0);
    const TaskHandle reader = scheduler.spawn({}, read(ends[0]));
    EXPECT_FALSE(scheduler.shutdown(10ms));
    EXPECT_EQ(reader.state(), TaskState::Cancelled);
    for (const int end : ends)
        close(end);
}

}  // namespace
}  // namespace tiffany::testing
