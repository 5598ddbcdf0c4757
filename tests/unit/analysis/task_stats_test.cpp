#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tiffany/analysis/task_stats.hpp>

#include "logs.hpp"

namespace tiffany::analysis {
namespace {

using pal::Record;
using pal::test::make;
using pal::test::Numbers;
using pal::test::step;

constexpr auto kRunning = static_cast<std::uint64_t>(TaskState::Running);
constexpr auto kSlept = static_cast<std::uint64_t>(WaitKind::sleep);

Record spawned(std::uint64_t tid, const std::string& name, const Numbers& numbers = {}, std::uint16_t worker = 1) {
    Record record = step(TaskEvent::Spawned, 1, tid, 1, numbers, worker);
    record.set_text("name", name);
    return record;
}

Record started(const std::string& scheduler, std::uint16_t worker = 1) {
    Record record = make(EventId::WorkerStarted);
    record.worker.index = worker;
    record.set_text("scheduler", scheduler);
    return record;
}

Record group(std::uint64_t number, const std::string& name) {
    Record record = make(EventId::Group, {{"group", number}});
    record.set_text("name", name);
    return record;
}

TaskReport report_of(const std::vector<Record>& records, const TaskStatsOptions& options = {}) {
    TaskStats stats{options};
    for (const Record& record : records)
        stats.record(record);
    return stats.finish();
}

TEST(TaskStats, OfAnEmptyLogAreEmpty) {
    const TaskReport report = report_of({});
    EXPECT_EQ(report.records, 0u);
    EXPECT_EQ(report.tasks, 0u);
    EXPECT_TRUE(report.kinds.empty());
    EXPECT_TRUE(report.schedulers.empty());
    EXPECT_FALSE(report.has_end);
}

TEST(TaskStats, OfOneLife) {
    const TaskReport report =
        report_of({started("pool"), spawned(7, "job"), step(TaskEvent::Running, 2, 7, 2, {{"ready_ns", 10}}),
                   step(TaskEvent::Sleep, 3, 7, 3, {{"run_ns", 20}}), step(TaskEvent::Ready, 4, 7, 4),
                   step(TaskEvent::Running, 5, 7, 5, {{"ready_ns", 30}, {"wait_ns", 40}, {"waited", kSlept}}),
                   step(TaskEvent::Done, 6, 7, 6, {{"run_ns", 50}})});
    EXPECT_EQ(report.records, 7u);
    EXPECT_EQ(report.transitions, 6u);
    EXPECT_EQ(report.tasks, 1u);
    EXPECT_EQ(report.live, 0u);
    EXPECT_EQ(report.unseen_start, 0u);
    EXPECT_EQ(report.workers_unknown, 0u);
    ASSERT_EQ(report.schedulers.size(), 1u);
    EXPECT_EQ(report.schedulers[0].transitions[static_cast<std::size_t>(TaskEvent::Running)], 2u);
    ASSERT_EQ(report.kinds.size(), 1u);
    const KindOfTask& kind = report.kinds[0];
    EXPECT_EQ(kind.scheduler, "pool");
    EXPECT_EQ(kind.group, "");
    EXPECT_EQ(kind.name, "job");
    EXPECT_EQ(kind.times.done, 1u);
    EXPECT_EQ(kind.times.run.count(), 2u);
    EXPECT_EQ(kind.times.run.sum_ns(), 70u);
    EXPECT_EQ(kind.times.ready.sum_ns(), 40u);
    EXPECT_EQ(kind.times.wait[kSlept].sum_ns(), 40u);
    EXPECT_EQ(kind.times.waits().count(), 1u);
}

TEST(TaskStats, CountDurationsThatAreNotKnownApart) {
    const TaskReport report = report_of(
        {spawned(7, "job"), step(TaskEvent::Running, 2, 7, 2, {{"waited", kSlept}}), step(TaskEvent::Yield, 3, 7, 3)});
    const TaskTimesSeen& times = report.kinds.at(0).times;
    EXPECT_EQ(times.run.count(), 0u);
    EXPECT_EQ(times.run.unknown(), 1u);
    EXPECT_EQ(times.ready.unknown(), 1u);
    EXPECT_EQ(times.wait[kSlept].count(), 0u);
    EXPECT_EQ(times.wait[kSlept].unknown(), 1u);
}

TEST(TaskStats, ARunThatDidNotWaitHasNoWait) {
    const TaskReport report = report_of({spawned(7, "job"), step(TaskEvent::Running, 2, 7, 2, {{"ready_ns", 5}})});
    EXPECT_EQ(report.kinds.at(0).times.waits().unknown(), 0u);
    EXPECT_EQ(report.kinds.at(0).times.waits().count(), 0u);
}

TEST(TaskStats, ACancelEndsARunOnlyIfTheTaskRan) {
    const TaskReport report =
        report_of({spawned(7, "job"), spawned(8, "job"), step(TaskEvent::Cancelled, 3, 7, 2, {{"from_state", 1}}),
                   step(TaskEvent::Cancelled, 4, 8, 2, {{"from_state", kRunning}, {"run_ns", 9}})});
    EXPECT_EQ(report.kinds.at(0).times.cancelled, 2u);
    EXPECT_EQ(report.kinds.at(0).times.run.count(), 1u);
    EXPECT_EQ(report.kinds.at(0).times.run.unknown(), 0u);
}

TEST(TaskStats, AStalledRunIsNoRun) {
    Record stalled = make(EventId::Stalled, {{"run_ns", 1'000}});
    stalled.tid = 7;
    const TaskReport report = report_of({spawned(7, "job"), stalled});
    EXPECT_EQ(report.kinds.at(0).times.run.count(), 0u);
}

TEST(TaskStats, AStallCountsWithTheWholeRunWhereItsEndIsThere) {
    const auto stalled = [](std::uint64_t tid, std::uint64_t run_ns) {
        Record record = make(EventId::Stalled, {{"run_ns", run_ns}});
        record.tid = tid;
        return record;
    };
    const TaskReport report = report_of({spawned(7, "ends"), spawned(8, "goes on"), stalled(7, 1'000),
                                         step(TaskEvent::Yield, 3, 7, 3, {{"run_ns", 5'000}}),
                                         step(TaskEvent::Yield, 4, 7, 5, {{"run_ns", 9'000}}),  // did not stall
                                         stalled(8, 1'200), stalled(0, 2'000)});
    const auto of = [&](std::string_view name) {
        for (const KindOfTask& kind : report.kinds)
            if (kind.name == name) return std::pair{kind.times.stalls, kind.times.longest_stall_ns};
        return std::pair{std::uint64_t{99}, std::uint64_t{99}};
    };
    EXPECT_EQ(of("ends"), (std::pair{std::uint64_t{1}, std::uint64_t{5'000}}));
    EXPECT_EQ(of("goes on"), (std::pair{std::uint64_t{1}, std::uint64_t{1'200}}));
    EXPECT_EQ(of(kUnknownName), (std::pair{std::uint64_t{1}, std::uint64_t{2'000}})) << "nobody knew the task";
    EXPECT_EQ(report.tasks, 2u) << "tid 0 is none";
}

TEST(TaskStats, ANameThatIsToldLateIsThatOfWhatWasSeenBefore) {
    Record state = make(EventId::State, {{"group", 2}});
    state.tid = 7;
    state.set_text("name", "late");
    const TaskReport report =
        report_of({step(TaskEvent::Yield, 1, 7, 5, {{"run_ns", 10}}), started("pool"), group(2, "batch"), state});
    ASSERT_EQ(report.kinds.size(), 1u);
    EXPECT_EQ(report.kinds[0].scheduler, "pool");
    EXPECT_EQ(report.kinds[0].group, "batch");
    EXPECT_EQ(report.kinds[0].name, "late");
    EXPECT_EQ(report.kinds[0].times.run.sum_ns(), 10u);
    EXPECT_EQ(report.unseen_start, 1u);
    EXPECT_EQ(report.unnamed, 0u);
}

TEST(TaskStats, TasksThatADumpToldOfAreCountedApart) {
    Record state = make(EventId::State, {{"state", kRunning}});
    state.set_text("name", "before");
    std::vector<Record> log;
    for (const std::uint64_t tid : {7u, 8u}) {
        state.tid = tid;
        log.push_back(state);
    }
    log.push_back(step(TaskEvent::Running, 1, 7, 5, {{"waited", kSlept}}));
    log.push_back(spawned(9, "seen"));
    log.push_back(step(TaskEvent::Yield, 2, 10, 3));
    const TaskReport report = report_of(log);
    EXPECT_EQ(report.tasks, 4u);
    EXPECT_EQ(report.unseen_start, 3u);
    EXPECT_EQ(report.dumped_start, 2u);
    EXPECT_EQ(report.unnamed, 1u);
    EXPECT_EQ(report.kinds.at(1).name, "before");
    EXPECT_EQ(report.kinds.at(1).times.waits().count(), 0u) << "a wait of unknown length is none of length 0";
    EXPECT_EQ(report.kinds.at(1).times.waits().unknown(), 1u);
}

TEST(TaskStats, WhatNobodyNamesIsUnknown) {
    const TaskReport report = report_of({step(TaskEvent::Done, 1, 7, 5, {{"run_ns", 10}})});
    ASSERT_EQ(report.kinds.size(), 1u);
    EXPECT_EQ(report.kinds[0].scheduler, kUnknownName);
    EXPECT_EQ(report.kinds[0].name, kUnknownName);
    EXPECT_EQ(report.unnamed, 1u);
    EXPECT_EQ(report.workers_unknown, 1u);
    EXPECT_EQ(report.kinds[0].times.done, 1u);
}

TEST(TaskStats, ARecordAfterTheEndStillBelongsToItsTask) {
    const TaskReport report = report_of({spawned(7, "job"), step(TaskEvent::Done, 3, 7, 3, {{"run_ns", 1}}),
                                         step(TaskEvent::Running, 1, 7, 2, {{"ready_ns", 5}}, 2)});
    EXPECT_EQ(report.tasks, 1u);
    ASSERT_EQ(report.kinds.size(), 1u);
    EXPECT_EQ(report.kinds[0].times.ready.sum_ns(), 5u);
}

TEST(TaskStats, ATimeBelongsToTheSchedulerOfTheWorkerThatFiredIt) {
    const TaskReport report = report_of(
        {started("a", 1), started("b", 2), spawned(7, "job"), step(TaskEvent::Running, 1, 7, 2, {{"ready_ns", 5}}, 2)});
    ASSERT_EQ(report.kinds.size(), 2u);
    EXPECT_EQ(report.kinds[0].scheduler, "a");
    EXPECT_EQ(report.kinds[0].times.spawned, 1u);
    EXPECT_EQ(report.kinds[0].times.ready.count(), 0u);
    EXPECT_EQ(report.kinds[1].scheduler, "b");
    EXPECT_EQ(report.kinds[1].times.ready.count(), 1u);
}

TEST(TaskStats, TheSameTidInAnotherProcessIsAnotherTask) {
    Record other = spawned(7, "other");
    other.worker.instance = 99;
    const TaskReport report = report_of({spawned(7, "job"), other});
    EXPECT_EQ(report.tasks, 2u);
    EXPECT_EQ(report.kinds.size(), 2u);
}

TEST(TaskStats, NamesPastTheBoundAreOther) {
    TaskStatsOptions options;
    options.max_names = 2;
    const TaskReport report =
        report_of({spawned(1, "a"), spawned(2, "b"), spawned(3, "c"), spawned(4, "d"), spawned(5, "a")}, options);
    ASSERT_EQ(report.kinds.size(), 3u);
    EXPECT_EQ(report.kinds[0].name, kOtherName);
    EXPECT_EQ(report.kinds[0].times.spawned, 2u);
    EXPECT_EQ(report.kinds[1].times.spawned, 2u);
    EXPECT_EQ(report.tasks_other, 2u);
}

TEST(TaskStats, GroupsThatNoSchedulerHasShareOne) {
    std::vector<Record> records{group(31, "last")};
    for (std::uint64_t number = 30; number < 40; ++number)
        records.push_back(spawned(number, "job", {{"group", number}}));
    const TaskReport report = report_of(records);
    ASSERT_EQ(report.kinds.size(), 3u);
    EXPECT_EQ(report.kinds[0].group, "#30");
    EXPECT_EQ(report.kinds[1].group, "(other)");
    EXPECT_EQ(report.kinds[1].times.spawned, 8u);
    EXPECT_EQ(report.kinds[2].group, "last");
}

TEST(TaskStats, TasksThatEndedAreForgottenButStayCounted) {
    TaskStatsOptions options;
    options.kept_ended = 0;
    std::vector<Record> records;
    for (std::uint64_t tid = 1; tid <= 100; ++tid) {
        records.push_back(spawned(tid, "job"));
        records.push_back(step(TaskEvent::Failed, 2, tid, 2, {{"run_ns", tid}}));
    }
    const TaskReport report = report_of(records, options);
    EXPECT_EQ(report.tasks, 100u);
    EXPECT_EQ(report.live, 0u);
    EXPECT_EQ(report.kinds.at(0).times.failed, 100u);
    EXPECT_EQ(report.kinds.at(0).times.run.sum_ns(), 5'050u);
}

TEST(TaskStats, EventsOfANewerCatalogueAreCountedByTheirName) {
    Record unknown;
    unknown.unknown = "task_teleported";
    const TaskReport report = report_of({unknown, unknown});
    EXPECT_EQ(report.transitions, 2u);
    EXPECT_EQ(report.unknown_events.at("task_teleported"), 2u);
}

TEST(TaskStats, AreTheSameWhetherAProcessTellsOfFewTimesOrOfMany) {
    constexpr std::uint64_t kMost = 100;  // past what is kept as it was told
    for (std::uint64_t runs = 1; runs <= kMost; ++runs) {
        std::vector<Record> records{spawned(7, "job")};
        Durations expected{kDefaultBounds};
        for (std::uint64_t run = 0; run < runs; ++run) {  // the first one's length is not known
            records.push_back(step(TaskEvent::Yield, run + 2, 7, run + 2, {{"run_ns", run * 100'000}}));
            expected.add(run * 100'000);
        }
        const TaskReport report = report_of(records);
        ASSERT_EQ(report.kinds.size(), 1u);
        const TaskTimesSeen& times = report.kinds[0].times;
        EXPECT_EQ(times.spawned, 1u);
        EXPECT_EQ(times.run.unknown(), 1u);
        EXPECT_EQ(times.run.count(), runs - 1);
        EXPECT_EQ(times.run.sum_ns(), expected.sum_ns());
        EXPECT_EQ(times.run.percentile(500), expected.percentile(500)) << runs;
        EXPECT_TRUE(std::ranges::equal(times.run.buckets(), expected.buckets())) << runs;
    }
}

TEST(TaskStats, AProcessWhoseTasksWereAllForgottenIsCountedOn) {
    TaskStatsOptions options;
    options.kept_ended = 1;
    std::vector<Record> records;
    for (const std::uint64_t tid : {1, 2, 3})
        for (const std::uint64_t instance : {0xA, 0xB}) {
            records.push_back(spawned(tid, "job"));
            records.push_back(step(TaskEvent::Done, 2, tid, 2, {{"run_ns", 5}}));
            for (auto record = records.end() - 2; record != records.end(); ++record)
                record->worker.instance = instance;
        }
    const TaskReport report = report_of(records, options);
    EXPECT_EQ(report.tasks, 6u);
    EXPECT_EQ(report.live, 0u);
    ASSERT_EQ(report.kinds.size(), 1u);
    EXPECT_EQ(report.kinds[0].times.spawned, 6u);
    EXPECT_EQ(report.kinds[0].times.run.sum_ns(), 30u);
}

}  // namespace
}  // namespace tiffany::analysis
