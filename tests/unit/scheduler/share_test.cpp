// What tasks share: mutexes, semaphores, channels.

#include <tiffany/scheduler/channel.hpp>
#include <tiffany/scheduler/mutex.hpp>
#include <tiffany/scheduler/semaphore.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Share : public Scheduled {
  protected:
    std::vector<std::string> order;

    static WaitReason last_reason() {
        return static_cast<WaitReason>(recording().last<tiffany_task_wait>(EventId::TaskWait).reason);
    }
};

// ---- Mutex ----

Task<> hold_lock(Mutex& mutex, std::vector<std::string>& order, std::string name) {
    const Mutex::Lock lock = co_await mutex.lock();
    order.push_back(name + " has it");
    co_await sleep_for(1ms);
    order.push_back(name + " gives it");
}

TEST_F(Share, AMutexIsHeldByOneTaskAtATimeInTheOrderInWhichTheyCame) {
    Mutex mutex;
    const TaskHandle a = scheduler.spawn({}, hold_lock(mutex, order, "a"));
    const TaskHandle b = scheduler.spawn({}, hold_lock(mutex, order, "b"));
    scheduler.spawn({}, hold_lock(mutex, order, "c"));
    scheduler.run();
    EXPECT_THAT(order, ElementsAre("a has it", "a gives it", "b has it", "b gives it", "c has it", "c gives it"));
    EXPECT_THAT(story_of(a),
                ElementsAre("Spawned Ready", "Running", "Sleep 1000000", "Ready timer", "Running", "Done"));
    EXPECT_EQ(story_of(b).at(2), "Wait");
    EXPECT_EQ(story_of(b).at(3), by("Ready event by", a));
    EXPECT_EQ(last_reason(), WaitReason::lock);
    EXPECT_EQ(recording().last<tiffany_task_wait>(EventId::TaskWait).resource, mutex.id());
}

TEST_F(Share, ACancelledWaiterLeavesTheMutexToTheNext) {
    Mutex mutex;
    scheduler.spawn({}, hold_lock(mutex, order, "a"));
    const TaskHandle b = scheduler.spawn({}, hold_lock(mutex, order, "b"));
    scheduler.spawn({}, hold_lock(mutex, order, "c"));
    scheduler.run_until_idle();
    b.cancel();
    scheduler.run();
    EXPECT_EQ(b.state(), TaskState::Cancelled);
    EXPECT_THAT(order, ElementsAre("a has it", "a gives it", "c has it", "c gives it"));
}

TEST_F(Share, AMutexThatWasGrantedBeforeTheCancellationIsGivenOn) {
    Mutex mutex;
    auto holder = [](Mutex& m, TaskHandle& victim) -> Task<> {
        {
            const Mutex::Lock lock = co_await m.lock();
            co_await sleep_for(1ms);
        }  // granted to the victim
        victim.cancel();
    };
    TaskHandle victim;
    scheduler.spawn({}, holder(mutex, victim));
    victim = scheduler.spawn({}, hold_lock(mutex, order, "victim"));
    scheduler.spawn({}, hold_lock(mutex, order, "next"));
    scheduler.run();
    EXPECT_EQ(victim.state(), TaskState::Cancelled);  // at its sleep
    EXPECT_THAT(order, ElementsAre("victim has it", "next has it", "next gives it"));
}

TEST_F(Share, ClosingWhileAMutexIsGrantedGivesItOnWithoutHarm) {
    Mutex mutex;
    scheduler.spawn({}, hold_lock(mutex, order, "a"));
    scheduler.spawn({}, hold_lock(mutex, order, "b"));
    scheduler.run_until_idle();
    scheduler.close();
    EXPECT_THAT(order, ElementsAre("a has it"));
}

// ---- Semaphore ----

Task<> acquire(Semaphore& semaphore, std::uint64_t count, std::vector<std::string>& order, std::string name) {
    co_await semaphore.acquire(count);
    order.push_back(std::move(name));
}

TEST_F(Share, ASemaphoreLetsSoManyInAndWhoWantsManyIsNotPassed) {
    Semaphore semaphore{2};
    scheduler.spawn({}, acquire(semaphore, 1, order, "one"));
    scheduler.spawn({}, acquire(semaphore, 2, order, "two"));
    scheduler.spawn({}, acquire(semaphore, 1, order, "three"));
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("one"));
    EXPECT_EQ(last_reason(), WaitReason::semaphore);
    semaphore.release();
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("one", "two"));
    semaphore.release();
    scheduler.run_until_idle();
    EXPECT_THAT(order, ElementsAre("one", "two", "three"));
    EXPECT_EQ(semaphore.available(), 0u);
}

TEST_F(Share, ASemaphoreOfLessThanNothingIsRefused) {
    const std::int64_t negative = -1;
    EXPECT_THROW(Semaphore(static_cast<std::uint64_t>(negative)), std::invalid_argument);
    EXPECT_EQ(Semaphore{0}.available(), 0u);
    EXPECT_EQ(Semaphore{INT64_MAX}.available(), static_cast<std::uint64_t>(INT64_MAX));
}

TEST_F(Share, ACancelledWaiterWhoWantedManyLetsThoseBehindItIn) {
    Semaphore semaphore{1};
    const TaskHandle greedy = scheduler.spawn({}, acquire(semaphore, 5, order, "greedy"));
    scheduler.spawn({}, acquire(semaphore, 1, order, "modest"));
    scheduler.run_until_idle();
    EXPECT_TRUE(order.empty());
    greedy.cancel();
    scheduler.run();
    EXPECT_THAT(order, ElementsAre("modest"));
}

TEST_F(Share, WhatIsSharedMayDieBeforeThoseWhoWaitForIt) {
    auto semaphore = std::make_unique<Semaphore>(0);
    auto mutex = std::make_unique<Mutex>();
    auto channel = std::make_unique<Channel<int>>(1);
    auto keep = [](Mutex& m, std::optional<Mutex::Lock>& lock) -> Task<> { lock = co_await m.lock(); };
    auto receive = [](Channel<int>& c) -> Task<> { co_await c.receive(); };
    std::optional<Mutex::Lock> lock;
    scheduler.spawn({}, keep(*mutex, lock));
    const std::vector<TaskHandle> waiters{scheduler.spawn({}, acquire(*semaphore, 1, order, "never")),
                                          scheduler.spawn({}, hold_lock(*mutex, order, "never")),
                                          scheduler.spawn({}, receive(*channel))};
    scheduler.run_until_idle();
    semaphore.reset();
    channel.reset();
    for (const TaskHandle& waiter : waiters)
        waiter.cancel();
    scheduler.run();
    for (const TaskHandle& waiter : waiters)
        EXPECT_EQ(waiter.state(), TaskState::Cancelled);
}

// ---- Channel ----

Task<> send_all(Channel<int>& channel, int first, int count) {
    for (int i = 0; i < count; ++i) {
        const bool sent = co_await channel.send(first + i);
        if (!sent) co_return;
    }
}

Task<> receive_all(Channel<int>& channel, std::vector<int>& got) {
    for (;;) {
        const std::optional<int> value = co_await channel.receive();
        if (!value) co_return;
        got.push_back(*value);
    }
}

TEST_F(Share, AChannelHandsValuesOnInOrderAndHoldsTheSenderBackAtItsBound) {
    Channel<int> channel{2};
    std::vector<int> got;
    const TaskHandle sender = scheduler.spawn({}, send_all(channel, 1, 5));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(sender), ElementsAre("Spawned Ready", "Running", "Wait"));
    EXPECT_EQ(last_reason(), WaitReason::channel);
    scheduler.spawn({}, receive_all(channel, got));
    scheduler.run_until_idle();
    EXPECT_THAT(got, ElementsAre(1, 2, 3, 4, 5));
    EXPECT_EQ(sender.state(), TaskState::Finished);
    channel.close();
    scheduler.run();
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Share, AClosedChannelGivesWhatIsLeftAndThenNothing) {
    Channel<int> channel{4};
    std::vector<int> got;
    scheduler.spawn({}, send_all(channel, 7, 2));
    scheduler.run();
    channel.close();
    channel.close();
    scheduler.spawn({}, receive_all(channel, got));
    scheduler.run();
    EXPECT_THAT(got, ElementsAre(7, 8));
    EXPECT_EQ(scheduler.live(), 0u);
}

TEST_F(Share, ClosingWakesSendersAndReceivers) {
    Channel<int> full{1};
    Channel<int> empty{1};
    std::vector<int> got;
    const TaskHandle sender = scheduler.spawn({}, send_all(full, 1, 3));
    const TaskHandle receiver = scheduler.spawn({}, receive_all(empty, got));
    scheduler.run_until_idle();
    full.close();
    empty.close();
    scheduler.run();
    EXPECT_EQ(sender.state(), TaskState::Finished);
    EXPECT_EQ(receiver.state(), TaskState::Finished);
}

TEST_F(Share, AValueThatWasGrantedIsNotLostByACancellation) {
    Channel<int> channel{1};
    std::vector<int> got;
    const TaskHandle receiver = scheduler.spawn({}, receive_all(channel, got));
    scheduler.run_until_idle();
    auto send_and_cancel = [](Channel<int>& where, TaskHandle target) -> Task<> {
        co_await where.send(3);
        target.cancel();
    };
    scheduler.spawn({}, send_and_cancel(channel, receiver));
    scheduler.run();
    EXPECT_THAT(got, ElementsAre(3));
    EXPECT_EQ(receiver.state(), TaskState::Cancelled);
}

TEST_F(Share, AChannelCarriesWhatCanOnlyBeMovedAndNeedsRoom) {
    Channel<std::unique_ptr<int>> channel{1};
    int got = 0;
    auto sender = [](Channel<std::unique_ptr<int>>& c) -> Task<> { co_await c.send(std::make_unique<int>(9)); };
    auto receiver = [](Channel<std::unique_ptr<int>>& c, int& result) -> Task<> {
        const std::optional<std::unique_ptr<int>> value = co_await c.receive();
        result = **value;
    };
    scheduler.spawn({}, sender(channel));
    scheduler.spawn({}, receiver(channel, got));
    scheduler.run();
    EXPECT_EQ(got, 9);
    EXPECT_THROW(Channel<int>{0}, std::invalid_argument);
}

TEST_F(Share, WhatNeedNotWaitFiresNothing) {
    Mutex mutex;
    Semaphore semaphore{1};
    Channel<int> channel{1};
    auto task = [](Mutex& m, Semaphore& s, Channel<int>& c) -> Task<> {
        const Mutex::Lock lock = co_await m.lock();
        co_await s.acquire();
        co_await c.send(1);
        co_await c.receive();
    };
    const TaskHandle handle = scheduler.spawn({}, task(mutex, semaphore, channel));
    scheduler.run();
    EXPECT_THAT(story_of(handle), ElementsAre("Spawned Ready", "Running", "Done"));
}

}  // namespace
}  // namespace tiffany::testing
