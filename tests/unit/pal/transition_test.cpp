// What transitions do to the state of a task and to the ready queue: the table is the design's, written out.

#include <gtest/gtest.h>

#include <tiffany/pal/transition.hpp>

namespace tiffany::pal {
namespace {

struct Number {
    const char* field = nullptr;
    std::uint64_t value = 0;
};

Record record_of(EventId id, Number number = {}) {
    Record record;
    record.info = &catalogue::info(id);
    EXPECT_TRUE(number.field == nullptr || record.set_number(number.field, number.value));
    return record;
}

constexpr std::uint64_t as_number(TaskState state) {
    return static_cast<std::uint64_t>(state);
}

TEST(Transition, LeadsToAState) {
    const auto after = [](EventId id, Number number = {}) { return state_after(record_of(id, number)); };
    EXPECT_EQ(after(EventId::TaskSpawned, {"state", as_number(TaskState::Ready)}), TaskState::Ready);
    EXPECT_EQ(after(EventId::TaskSpawned, {"state", as_number(TaskState::Waiting)}), TaskState::Waiting);
    EXPECT_EQ(after(EventId::TaskReady), TaskState::Ready);
    EXPECT_EQ(after(EventId::TaskRunning), TaskState::Running);
    EXPECT_EQ(after(EventId::TaskYield), TaskState::Ready);
    EXPECT_EQ(after(EventId::TaskSleep), TaskState::Sleeping);
    EXPECT_EQ(after(EventId::TaskIoWait), TaskState::Waiting);
    EXPECT_EQ(after(EventId::TaskJoin), TaskState::Waiting);
    EXPECT_EQ(after(EventId::TaskWait), TaskState::Waiting);
    EXPECT_EQ(after(EventId::TaskThrottled, {"park_ns", 0}), TaskState::Ready);
    EXPECT_EQ(after(EventId::TaskThrottled, {"park_ns", 1}), TaskState::Throttled);
    EXPECT_EQ(after(EventId::TaskDone), TaskState::Finished);
    EXPECT_EQ(after(EventId::TaskFailed), TaskState::Failed);
    EXPECT_EQ(after(EventId::TaskCancelled, {"from_state", as_number(TaskState::Ready)}), TaskState::Cancelled);
}

TEST(Transition, PushesOntoTheReadyQueueOrPopsOrDoesNeither) {
    const auto change = [](EventId id, Number number = {}) { return ready_queue_change(record_of(id, number)); };
    EXPECT_EQ(change(EventId::TaskSpawned, {"state", as_number(TaskState::Ready)}), 1);
    EXPECT_EQ(change(EventId::TaskReady), 1);
    EXPECT_EQ(change(EventId::TaskYield), 1);
    EXPECT_EQ(change(EventId::TaskThrottled, {"park_ns", 0}), 1);
    EXPECT_EQ(change(EventId::TaskRunning), -1);
    EXPECT_EQ(change(EventId::TaskCancelled, {"from_state", as_number(TaskState::Ready)}), -1);
    EXPECT_EQ(change(EventId::TaskCancelled, {"from_state", as_number(TaskState::Running)}), 0);
    EXPECT_EQ(change(EventId::TaskCancelled, {"from_state", as_number(TaskState::Waiting)}), 0);
    EXPECT_EQ(change(EventId::TaskSpawned, {"state", as_number(TaskState::Waiting)}), 0);
    EXPECT_EQ(change(EventId::TaskThrottled, {"park_ns", 1}), 0);
    EXPECT_EQ(change(EventId::TaskSleep), 0);
    EXPECT_EQ(change(EventId::TaskDone), 0);
}

TEST(Transition, WhatIsNoneChangesNothing) {
    EXPECT_EQ(state_after(Record{}), TaskState::None);
    EXPECT_EQ(ready_queue_change(Record{}), 0);
    const Record dumped = record_of(EventId::State, {"state", as_number(TaskState::Ready)});
    EXPECT_EQ(state_after(dumped), TaskState::None);
    EXPECT_EQ(ready_queue_change(dumped), 0);
}

}  // namespace
}  // namespace tiffany::pal
