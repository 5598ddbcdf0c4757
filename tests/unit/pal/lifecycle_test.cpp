#include <gmock/gmock.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <tiffany/pal/lifecycle.hpp>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

using enum TaskEvent;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::uint64_t number(auto value) {
    return static_cast<std::uint64_t>(value);
}
const Numbers kReady = {{"state", 1}};
const Numbers kWaiting = {{"state", 4}};

Record started(std::uint16_t worker, std::uint64_t seq = 0, std::string_view scheduler = "") {
    Record record = make(EventId::WorkerStarted);
    record.worker.index = worker;
    record.seq = seq;
    record.set_text("scheduler", scheduler);
    return record;
}
Record stopped(std::uint64_t seq) {
    Record record = make(EventId::WorkerStopped);
    record.seq = seq;
    return record;
}
Record dump(std::uint64_t tid, std::uint64_t step_number, TaskState state, WaitKind waited = WaitKind::none) {
    Record record = make(EventId::State, {{"state", number(state)}, {"waited", number(waited)}});
    record.tid = tid;
    record.step = step_number;
    return record;
}

LifecycleReport checked(const std::vector<Record>& records, const std::vector<Gap>& gaps = {}, End end = {},
                        LifecycleOptions options = {}) {
    LifecycleChecker checker{options};
    checker.begin({});
    for (const Gap& gap : gaps)
        checker.gap(gap);
    for (const Record& record : records)
        checker.record(record);
    checker.end(end);
    return checker.finish();
}
Gap gap(std::uint64_t from, std::uint64_t to, std::uint16_t worker = 1) {
    return {kTs, {kInstance, worker}, from, to, to - from + 1, true};
}

/// A life with each kind of transition, all legal; seqs from `seq`.
std::vector<Record> full_life(std::uint64_t tid, std::uint64_t seq) {
    std::vector<Record> life;
    const auto add = [&](TaskEvent event, const Numbers& numbers) {
        life.push_back(step(event, seq + life.size(), tid, life.size() + 1, numbers));
    };
    const auto wait_and_run = [&](TaskEvent event, const Numbers& numbers, WaitKind waited) {
        add(event, numbers);
        add(Ready, {});
        add(Running, {{"waited", number(waited)}, {"wait_ns", 5}});
    };
    add(Spawned, kWaiting);
    add(Ready, {{"cause", number(WakeCause::dependency)}});
    add(Running, {{"waited", number(WaitKind::dependency)}});
    add(Yield, {});
    add(Running, {});
    wait_and_run(Sleep, {}, WaitKind::sleep);
    wait_and_run(IoWait, {}, WaitKind::iowait);
    wait_and_run(Join, {}, WaitKind::join);
    wait_and_run(Wait, {}, WaitKind::wait);
    wait_and_run(Throttled, {{"park_ns", 9}}, WaitKind::throttled);
    add(Throttled, {{"park_ns", 0}});
    add(Running, {});
    add(Done, {});
    return life;
}

TEST(LifecycleChecker, FindsNothingInAnEmptyLog) {
    const LifecycleReport report = checked({});
    EXPECT_TRUE(report.good());
    EXPECT_EQ(report.tasks, 0u);
}

TEST(LifecycleChecker, AcceptsALifeWithEveryTransition) {
    std::vector<Record> log = full_life(7, 1);
    log.insert(log.begin(), started(1, 0, "pool"));
    log.push_back(stopped(23));
    const LifecycleReport report = checked(log);
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.transitions, 23u);
    EXPECT_EQ(report.tasks, 1u);
    EXPECT_EQ(report.ended(TaskState::Finished), 1u);
    EXPECT_EQ(report.live(), 0u);
    EXPECT_TRUE(report.queues_checked);
}

TEST(LifecycleChecker, CountsTheWorkersWhoseEndItDidNotSee) {
    std::vector<Record> log = full_life(7, 1);
    EXPECT_EQ(checked(log).workers_open, 1u);
    log.push_back(stopped(23));
    EXPECT_EQ(checked(log).workers_open, 0u);
    log.push_back(started(1, 23, "pool"));  // the same worker, taken again
    EXPECT_EQ(checked(log).workers_open, 1u);
}

TEST(LifecycleChecker, GivesTheSameVerdictWhateverTheOrderInTheFile) {
    std::vector<Record> log;
    for (std::uint64_t task = 0; task < 20; ++task) {
        const std::vector<Record> life = full_life(task + 1, task * 23 + 1);
        log.insert(log.end(), life.begin(), life.end());
    }
    log.push_back(started(1));
    std::mt19937 random{4711};
    for (int round = 0; round < 20; ++round) {
        std::shuffle(log.begin(), log.end(), random);
        const LifecycleReport report = checked(log);
        ASSERT_THAT(report.findings, IsEmpty());
        ASSERT_EQ(report.ended(TaskState::Finished), 20u);
        ASSERT_TRUE(report.queues_checked);
    }
}

TEST(LifecycleChecker, NamesWhereARuleIsBroken) {
    const LifecycleReport report = checked({step(Spawned, 1, 7, 1, kReady), step(Sleep, 2, 7, 2)});
    EXPECT_THAT(report.findings,
                ElementsAre("instance 5f3a9c1e07b2 worker 1 seq 2 tid 7 step 2: Sleep: expected a task "
                            "that is Running, found one that is Ready"));
}

TEST(LifecycleChecker, JudgesEachTransitionFromEachState) {
    // a way into each live state
    const std::pair<TaskState, std::vector<std::pair<TaskEvent, Numbers>>> ways[] = {
        {TaskState::Ready, {{Spawned, {{"state", 1}}}}},
        {TaskState::Running, {{Spawned, {{"state", 1}}}, {Running, {}}}},
        {TaskState::Sleeping, {{Spawned, {{"state", 1}}}, {Running, {}}, {Sleep, {}}}},
        {TaskState::Waiting, {{Spawned, {{"state", 4}}}}},
        {TaskState::Throttled, {{Spawned, {{"state", 1}}}, {Running, {}}, {Throttled, {{"park_ns", 1}}}}},
        {TaskState::Finished, {{Spawned, {{"state", 1}}}, {Running, {}}, {Done, {}}}},
    };
    const auto legal = [](TaskEvent event, TaskState from) {  // the design's table, written again
        switch (event) {
            case Spawned:
                return false;
            case Ready:
                return from == TaskState::Sleeping || from == TaskState::Waiting || from == TaskState::Throttled;
            case Running:
                return from == TaskState::Ready;
            case Cancelled:
                return from != TaskState::Finished;
            default:
                return from == TaskState::Running;
        }
    };
    for (const auto& [state, way] : ways)
        for (std::size_t i = 0; i < kTransitions; ++i) {
            const auto event = static_cast<TaskEvent>(i);
            std::vector<Record> log;
            for (const auto& [event_before, numbers] : way)
                log.push_back(step(event_before, log.size() + 1, 7, log.size() + 1, numbers));
            Record last = step(event, log.size() + 1, 7, log.size() + 1);
            last.set_number("from_state", number(state));
            last.set_number("state", 1);
            last.set_number("waited", number(WaitKind::unknown));
            log.push_back(last);
            EXPECT_EQ(checked(log).good(), legal(event, state)) << label(event) << " from " << label(state);
        }
}

TEST(LifecycleChecker, WantsALifeToBeginWithSpawnedAtStepOne) {
    EXPECT_THAT(checked({step(Running, 1, 7, 1)}).findings,
                ElementsAre(HasSubstr("expected Spawned at step 1, found Running")));
    EXPECT_THAT(checked({step(Running, 1, 7, 2)}).findings,
                ElementsAre(HasSubstr("expected step 1, Spawned, found step 2")));
    EXPECT_THAT(checked({step(Spawned, 1, 7, 1, {{"state", 2}})}).findings,
                ElementsAre(HasSubstr("expected it to become Ready or Waiting, found Running")));
    EXPECT_THAT(checked({step(Spawned, 1, 7, 0, kReady)}).findings,
                ElementsAre(HasSubstr("expected step from 1, found 0")));
    EXPECT_THAT(checked({step(Spawned, 1, 0, 1, kReady)}).findings, ElementsAre(HasSubstr("tid 0, which means none")));
    EXPECT_THAT(checked({step(Spawned, 0, 7, 1, kReady)}).findings,
                ElementsAre(HasSubstr("expected seq from 1, found 0")));
}

TEST(LifecycleChecker, WantsNothingAfterTheEnd) {
    std::vector<Record> log = full_life(7, 1);
    log.push_back(step(Ready, 24, 7, 24));
    EXPECT_THAT(checked(log).findings,
                ElementsAre(HasSubstr("seq 24 tid 7 step 24: Ready: expected nothing after the task's end")));
    // before the end in the file, after it in the life
    std::swap(log[10], log.back());
    EXPECT_EQ(checked(log).findings_total, 1u);
}

TEST(LifecycleChecker, ReportsARecordThatIsToldTwiceOnce) {
    std::vector<Record> log = full_life(7, 1);
    log.push_back(log[4]);
    const LifecycleReport report = checked(log);
    EXPECT_THAT(report.findings, ElementsAre(HasSubstr("seq 5 tid 7 step 5: Running: expected each seq once")));
    EXPECT_EQ(report.tasks, 1u);
}

TEST(LifecycleChecker, ReportsAStepThatTwoWorkersTook) {
    EXPECT_THAT(
        checked({step(Spawned, 1, 7, 1, kReady), step(Running, 2, 7, 2), step(Running, 1, 7, 2, {}, 2)}).findings,
        ElementsAre(HasSubstr("worker 2 seq 1 tid 7 step 2: Running: expected step 3, found a step that was taken")));
}

TEST(LifecycleChecker, TellsTasksOfTwoInstancesApart) {
    std::vector<Record> log = full_life(7, 1);
    for (Record record : full_life(7, 1)) {
        record.worker.instance = 1;
        log.push_back(record);
    }
    const LifecycleReport report = checked(log);
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.tasks, 2u);
    EXPECT_EQ(report.workers, 2u);
}

TEST(LifecycleChecker, ReportsAJumpOfSeqThatNoGapTells) {
    const LifecycleReport report = checked({step(Spawned, 1, 7, 1, kReady), step(Spawned, 4, 8, 1, kReady)});
    EXPECT_THAT(report.findings,
                ElementsAre("instance 5f3a9c1e07b2 worker 1: expected seq 2, found 4: 2 missing, and no "
                            "Gap tells of it"));
}

TEST(LifecycleChecker, AcceptsAJumpThatAGapTells) {
    const std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady), step(Spawned, 4, 8, 1, kReady)};
    const LifecycleReport report = checked(log, {gap(2, 3)});
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.gaps, 1u);
    EXPECT_FALSE(report.queues_checked);
    EXPECT_EQ(checked(log, {gap(2, 2)}).findings_total, 1u);
    EXPECT_EQ(checked(log, {gap(2, 4)}).findings_total, 1u);  // and seq 4 is there
    EXPECT_EQ(checked(log, {gap(2, 3), gap(3, 3)}).findings_total, 1u);
}

TEST(LifecycleChecker, ExpectsAWorkersFirstSeqOnlyIfItsStartWasSeen) {
    const Record late = step(Spawned, 5, 7, 1, kReady);
    EXPECT_TRUE(checked({late}).good());
    EXPECT_TRUE(checked({started(1, 4), late}).good());
    EXPECT_TRUE(checked({late, started(1, 4)}).good());
    EXPECT_THAT(checked({started(1), late}).findings, ElementsAre(HasSubstr("expected seq 1, found 5: 4 missing")));
    EXPECT_TRUE(checked({started(1), late}, {gap(1, 4)}).good());
    // a foreign thread's worker that is taken again goes on
    EXPECT_TRUE(checked({late, stopped(5), started(1, 5), step(Running, 6, 7, 2)}).good());
}

TEST(LifecycleChecker, WantsTheEndToTellOfTheTailThatAWorkersStopShows) {
    const std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady), stopped(3)};
    EXPECT_THAT(checked(log).findings, ElementsAre(HasSubstr("expected seqs up to 3, where it stopped, found 1")));
    EXPECT_TRUE(checked(log, {}, {.lost = 2, .tail = 2}).good());
    EXPECT_FALSE(checked(log, {}, {.lost = 1, .tail = 1}).good());
}

TEST(LifecycleChecker, ToleratesAsManyMissingStepsAsTransitionsAreMissing) {
    // steps 2 and 3 were lost with seqs 2 and 3
    const std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady), step(Ready, 4, 7, 4)};
    const LifecycleReport report = checked(log, {gap(2, 3)});
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.missing_steps, 2u);
    EXPECT_EQ(report.tasks_by_state[number(TaskState::Ready)], 1u);

    const std::vector<Record> worse = {step(Spawned, 1, 7, 1, kReady), step(Ready, 4, 7, 5)};
    EXPECT_THAT(checked(worse, {gap(2, 3)}).findings, ElementsAre(HasSubstr("expected step 2, found step 5")));
    EXPECT_THAT(checked({step(Spawned, 1, 7, 1, kReady), step(Yield, 2, 7, 3)}).findings,
                ElementsAre(HasSubstr("seq 2 tid 7 step 3: Yield: expected step 2, found step 3")));
}

Record at(std::uint64_t ns, Record record) {
    record.ts_ns = ns;
    return record;
}

TEST(LifecycleChecker, ToleratesStepsThatTheUncountedEndOfAWorkerMayHave) {
    const End killed{.uncounted = {"somebody was killed"}};
    // worker 2 puts the task to sleep, and that is not in the log; nor is the task's start that worker 2 made then
    const std::vector<Record> log = {at(100, step(Spawned, 1, 7, 1, kReady)), at(200, step(Running, 1, 7, 2, {}, 2)),
                                     at(300, step(Ready, 2, 7, 4)), at(310, step(Running, 3, 8, 2))};
    EXPECT_EQ(checked(log).findings_total, 2u);
    const LifecycleReport report = checked(log, {}, killed);
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.missing_steps, 2u);
    EXPECT_FALSE(report.queues_checked);
    EXPECT_TRUE(checked(log, {}, {.bad_parts = 1}).good());

    const auto and_then = [&log](Record record) {
        std::vector<Record> longer = log;
        longer.push_back(std::move(record));
        return longer;
    };
    Record stop = stopped(1);
    stop.worker.index = 2;
    EXPECT_EQ(checked(and_then(stop), {}, killed).findings_total, 1u) << "its end is there";
    const Record later = at(305, step(Spawned, 2, 9, 1, kReady, 2));
    EXPECT_THAT(checked(and_then(later), {}, killed).findings, ElementsAre(HasSubstr("expected step 3, found step 4")))
        << "what it did until then is there";
    EXPECT_TRUE(checked(and_then(at(320, step(Spawned, 1, 9, 1, kReady, 3))), {}, killed).good());
    EXPECT_FALSE(checked({log[0], at(300, step(Ready, 2, 7, 4))}, {}, killed).good()) << "nobody else is there";
    EXPECT_TRUE(checked({log[0], at(300, step(Running, 2, 8, 2))}, {}, killed).good()) << "who made it may be nowhere";
    EXPECT_FALSE(checked({log[0], at(300, step(Running, 2, 8, 2))}).good());
    const std::vector<Record> twice = {log[0], log[1], at(300, step(Running, 2, 7, 3))};
    EXPECT_FALSE(checked(twice, {}, killed).good()) << "no step is missing";
}

TEST(LifecycleChecker, TellsManyHolesThatNothingExplainsFromThoseOfAnUncountedEnd) {
    constexpr std::uint64_t kHoles = 10'000;
    std::vector<Record> log;
    for (std::uint64_t i = 1; i <= kHoles; ++i) {
        log.push_back(at(10 * i, step(Spawned, 2 * i - 1, i, 1, kReady)));
        log.push_back(at(10 * i, step(Ready, 2 * i, i, 4)));
    }
    log.push_back(at(5'000, started(1)));
    log.push_back(at(5'000, step(Spawned, 1, kHoles + 1, 1, kReady, 2)));
    const LifecycleReport report = checked(log, {}, {.uncounted = {"somebody was killed"}}, {.max_findings = 3});
    EXPECT_NEAR(static_cast<double>(report.findings_total), 500, 4) << "memory is bounded";
    EXPECT_THAT(report.findings, testing::SizeIs(3));
    EXPECT_EQ(checked(log).findings_total, kHoles);
}

TEST(LifecycleChecker, CountsNoLessThanItSaysWhereTheNumberOfHolesIsKnownOnlyAbout) {
    std::vector<Record> log;
    for (std::uint64_t i = 1; i <= 10'000; ++i) {
        log.push_back(at(10 * i, step(Spawned, 2 * i - 1, i, 1, kReady)));
        log.push_back(at(10 * i, step(Ready, 2 * i, i, 4)));
    }
    log.push_back(at(155, started(1)));
    log.push_back(at(155, step(Spawned, 1, 10'001, 1, kReady, 2)));
    const LifecycleReport report = checked(log, {}, {.uncounted = {"somebody was killed"}}, {.max_findings = 20});
    EXPECT_THAT(report.findings, testing::SizeIs(15));
    EXPECT_EQ(report.findings_total, 15u);
}

TEST(LifecycleChecker, CountsTasksApartWhoseStartALateTraceDidNotSee) {
    const LifecycleReport report =
        checked({step(Ready, 100, 7, 50), step(Running, 101, 7, 51), step(Spawned, 102, 8, 1, kReady)});
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.unseen_start, 1u);
    EXPECT_EQ(report.tasks, 2u);
    EXPECT_FALSE(report.queues_checked);
    // its life is judged from there on
    EXPECT_EQ(checked({step(Ready, 100, 7, 50), step(Ready, 101, 7, 51)}).findings_total, 1u);
}

TEST(LifecycleChecker, AcceptsTasksThatAForkedChildInherited) {
    // its workers begin with seq 0, so no transition is missing that could explain the steps before
    const std::vector<Record> log = {started(1), dump(7, 50, TaskState::Running), step(Yield, 1, 7, 51),
                                     dump(8, 9, TaskState::Sleeping, WaitKind::sleep)};
    const LifecycleReport report = checked(log);
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.unseen_start, 2u);
    EXPECT_EQ(report.dumped_start, 2u);
    EXPECT_EQ(report.tasks_by_state[number(TaskState::Ready)], 1u);
    EXPECT_EQ(report.tasks_by_state[number(TaskState::Sleeping)], 1u);
    EXPECT_FALSE(report.queues_checked);
    EXPECT_FALSE(checked({started(1), step(Yield, 1, 7, 51)}).good()) << "nobody told of it";
}

TEST(LifecycleChecker, AStepThatADumpToldOfMayFollowIt) {
    // another worker told of the task between its step and the event
    const std::vector<Record> log = {dump(7, 50, TaskState::Ready), step(Yield, 100, 7, 50), step(Running, 101, 7, 51)};
    EXPECT_THAT(checked(log).findings, IsEmpty());
    const LifecycleReport from_start = checked({dump(7, 1, TaskState::Ready), step(Spawned, 1, 7, 1, kReady)});
    EXPECT_THAT(from_start.findings, IsEmpty());
    EXPECT_EQ(from_start.unseen_start, 0u);
    EXPECT_FALSE(checked({dump(7, 50, TaskState::Ready), step(Running, 100, 7, 51), step(Running, 101, 7, 51)}).good());
}

TEST(LifecycleChecker, TakesTheStateOfATaskFromADump) {
    const auto after_dump = [](TaskEvent event) {
        return checked({dump(7, 50, TaskState::Sleeping, WaitKind::sleep), step(event, 100, 7, 51)});
    };
    EXPECT_TRUE(after_dump(Ready).good());
    EXPECT_EQ(after_dump(Ready).unseen_start, 1u);
    EXPECT_THAT(after_dump(Running).findings,
                ElementsAre(HasSubstr("expected a task that is Ready, found one that is Sleeping")));
    EXPECT_EQ(after_dump(Ready).dumped_start, 1u);
    // an older dump says nothing, one of this very step must agree
    const Record spawn = step(Spawned, 1, 7, 1, kReady), run = step(Running, 2, 7, 2);
    EXPECT_TRUE(checked({spawn, run, dump(7, 1, TaskState::Ready)}).good());
    EXPECT_TRUE(checked({spawn, dump(7, 2, TaskState::Running), run}).good());
    EXPECT_FALSE(checked({spawn, run, dump(7, 2, TaskState::Ready)}).good());
}

TEST(LifecycleChecker, AWaitIncludesTheReadyDelayAtItsEnd) {
    const auto woken = [](std::uint64_t wait_ns, std::uint64_t ready_ns) {
        return checked({step(Spawned, 1, 7, 1, kReady), step(Running, 2, 7, 2), step(Sleep, 3, 7, 3),
                        step(Ready, 4, 7, 4),
                        step(Running, 5, 7, 5,
                             {{"waited", number(WaitKind::sleep)}, {"wait_ns", wait_ns}, {"ready_ns", ready_ns}})});
    };
    EXPECT_TRUE(woken(20, 20).good());
    EXPECT_TRUE(woken(0, 20).good()) << "it is not known";
    EXPECT_THAT(woken(19, 20).findings,
                ElementsAre(HasSubstr("expected a wait_ns of at least its ready_ns, 20, found 19")));
}

TEST(LifecycleChecker, ComparesWhatATaskWasCancelledFromAndWaitedFor) {
    const Record spawn = step(Spawned, 1, 7, 1, kReady);
    EXPECT_THAT(checked({spawn, step(Cancelled, 2, 7, 2, {{"from_state", number(TaskState::Sleeping)}})}).findings,
                ElementsAre(HasSubstr("expected from_state Ready, found Sleeping")));
    EXPECT_THAT(checked({spawn, step(Running, 2, 7, 2, {{"waited", number(WaitKind::join)}})}).findings,
                ElementsAre(HasSubstr("expected waited none, found join")));
    EXPECT_THAT(checked({spawn, step(Running, 2, 7, 2, {{"wait_ns", 3}})}).findings,
                ElementsAre(HasSubstr("expected no wait_ns")));
    EXPECT_TRUE(checked({spawn, step(Running, 2, 7, 2, {{"waited", number(WaitKind::unknown)}})}).good());
}

TEST(LifecycleChecker, TellsAStepThatIsOutOfPlaceOnce) {
    const std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady), step(Running, 2, 7, 2), step(Sleep, 3, 7, 3),
                                     step(Running, 4, 7, 4), step(Done, 5, 7, 5)};  // nothing made it Ready
    EXPECT_THAT(checked(log).findings, ElementsAre(HasSubstr("step 4: Running: expected a task that is Ready")));
}

TEST(LifecycleChecker, BalancesTheReadyQueueOfEachScheduler) {
    // spawned and queued in one scheduler, run by the worker of another
    const std::vector<Record> log = {started(1, 0, "a"), started(2, 0, "b"), step(Spawned, 1, 7, 1, kReady),
                                     step(Running, 1, 7, 2, {}, 2)};
    EXPECT_THAT(checked(log).findings,
                ElementsAre(HasSubstr("scheduler \"a\": expected pushes - pops of the ready queue to be "
                                      "0, the tasks that are Ready at the end, found 1"),
                            HasSubstr("scheduler \"b\"")));
    std::vector<Record> same = log;
    same[1] = started(2, 0, "a");
    EXPECT_THAT(checked(same).findings, IsEmpty());
    EXPECT_TRUE(checked(same).queues_checked);
}

TEST(LifecycleChecker, BalancesAWorkerIndexApartForEachSchedulerThatHadIt) {
    const auto stopped = [](std::uint16_t worker, std::uint64_t seq) {
        Record record = started(worker, seq);
        record.info = &catalogue::info(EventId::WorkerStopped);
        return record;
    };
    // a foreign thread, worker 2, spawns into "a"; then worker 1 is of "b", and of "a" again
    const std::vector<Record> log = {started(1, 0, "a"),
                                     started(2, 0, "a"),
                                     step(Spawned, 1, 7, 1, kReady, 2),
                                     step(Running, 1, 7, 2),
                                     step(Done, 2, 7, 3),
                                     stopped(1, 2),
                                     started(1, 2, "b"),
                                     step(Spawned, 3, 8, 1, kReady),
                                     step(Running, 4, 8, 2),
                                     step(Done, 5, 8, 3),
                                     stopped(1, 5),
                                     started(1, 5, "a"),
                                     step(Spawned, 6, 9, 1, kReady)};
    EXPECT_THAT(checked(log).findings, IsEmpty());
    EXPECT_TRUE(checked(log).queues_checked);
}

TEST(LifecycleChecker, ATaskThatIsTakenFromAnotherQueueThanItWasPutIntoUnbalancesBoth) {
    const LifecycleReport report =
        checked({started(1, 0, "a"), step(Spawned, 1, 7, 1, kReady), started(1, 1, "b"), step(Running, 2, 7, 2)});
    EXPECT_THAT(report.findings, ElementsAre(HasSubstr("scheduler \"a\": expected pushes - pops"),
                                             HasSubstr("scheduler \"b\": expected pushes - pops")));
}

TEST(LifecycleChecker, DoesNotJudgeLivesInASelection) {
    LifecycleChecker checker;
    Begin begin;
    begin.events = {"task_failed"};
    checker.begin(begin);
    checker.record(started(1));
    checker.record(step(Failed, 90, 7, 12));
    checker.record(step(Failed, 40, 8, 5));
    const LifecycleReport report = checker.finish();
    EXPECT_TRUE(report.good());
    EXPECT_TRUE(report.selection);
    EXPECT_FALSE(report.queues_checked);
    EXPECT_EQ(report.transitions, 2u);
}

TEST(LifecycleChecker, CountsATransitionThatItDoesNotKnowAsAStepAndASeq) {
    Record unknown;
    unknown.unknown = "task_paused";
    unknown.worker = {kInstance, 1};
    unknown.seq = 2;
    unknown.tid = 7;
    unknown.step = 2;
    const LifecycleReport report = checked({step(Spawned, 1, 7, 1, kReady), unknown, step(Yield, 3, 7, 3)});
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.unknown_events, 1u);
}

TEST(LifecycleChecker, KnowsTheStateAgainAfterTheStepThatFollowsAnUnknownOne) {
    Record unknown;
    unknown.unknown = "task_paused";
    unknown.worker = {kInstance, 1};
    unknown.seq = 3;
    unknown.tid = 7;
    unknown.step = 3;
    std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady), step(Running, 2, 7, 2), unknown};
    EXPECT_EQ(checked(log).ended(TaskState::None), 1u);
    log.push_back(step(Yield, 4, 7, 4));
    const LifecycleReport report = checked(log);
    EXPECT_TRUE(report.good());
    EXPECT_EQ(report.ended(TaskState::None), 0u);
    EXPECT_EQ(report.ended(TaskState::Ready), 1u);
}

TEST(LifecycleChecker, SaysWhetherTheLogHadItsEnd) {
    LifecycleChecker checker;
    checker.begin({});
    checker.record(step(Spawned, 1, 7, 1, kReady));
    EXPECT_FALSE(checker.finish().has_end);
    EXPECT_TRUE(checked({}).has_end);
}

TEST(LifecycleChecker, KeepsAFewFindingsAndCountsAll) {
    std::vector<Record> log;
    for (std::uint64_t i = 1; i <= 50; ++i)
        log.push_back(step(Running, i, i, 1));
    const LifecycleReport report = checked(log, {}, {}, {.max_findings = 3});
    EXPECT_EQ(report.findings.size(), 3u);
    EXPECT_GE(report.findings_total, 50u);
}

TEST(LifecycleChecker, JudgesWhatItKeptBackWhenThereIsTooMuch) {
    std::vector<Record> log = {step(Spawned, 1, 7, 1, kReady)};
    for (std::uint64_t i = 4; i <= 40; ++i)
        log.push_back(step(i % 2 == 0 ? Running : Yield, i, 7, i));
    const LifecycleReport report = checked(log, {gap(2, 3)}, {}, {.max_held = 4});
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.missing_steps, 2u);
}

TEST(LifecycleChecker, TellsWhatItKeptBackByTheNumbersOfTheTasks) {
    constexpr std::uint64_t kTasks = 100;
    std::vector<Record> log;
    for (std::uint64_t tid = kTasks; tid > 0; --tid)
        for (const std::uint64_t number : {3U, 4U})
            log.push_back(step(Running, log.size() + 1, tid, number));
    const LifecycleReport report = checked(log, {}, {}, {.max_findings = kTasks});
    ASSERT_EQ(report.findings.size(), kTasks);
    for (std::uint64_t tid = 1; tid <= kTasks; ++tid)
        EXPECT_THAT(report.findings[tid - 1], HasSubstr(" tid " + std::to_string(tid) + " step 4: "));
}

// Minutes, if each that is kept back moves all that follow it.
TEST(LifecycleChecker, JudgesALifeThatIsToldBackwards) {
    constexpr std::uint64_t kSteps = 250'000;
    LifecycleChecker checker;
    for (std::uint64_t number = kSteps; number > 1; --number)
        checker.record(step(number % 2 == 0 ? Running : Yield, number, 7, number));
    checker.record(step(Spawned, 1, 7, 1, kReady));
    checker.end({});
    const LifecycleReport report = checker.finish();
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_EQ(report.missing_steps, 0u);
    EXPECT_EQ(report.transitions, kSteps);
}

TEST(LifecycleChecker, KeepsApartWhatAWorkerDidForManySchedulers) {
    LifecycleChecker checker;
    constexpr std::uint64_t kSchedulers = 80'000;
    for (std::uint64_t round = 0; round < 2; ++round)
        for (std::uint64_t i = 1; i <= kSchedulers; ++i) {
            checker.record(started(1, round * kSchedulers + i - 1, std::to_string(i)));
            checker.record(round == 0 ? step(Spawned, i, i, 1, kReady) : step(Running, kSchedulers + i, i, 2));
        }
    checker.end({});
    const LifecycleReport report = checker.finish();
    EXPECT_THAT(report.findings, IsEmpty());
    EXPECT_TRUE(report.queues_checked);
}

TEST(LifecycleChecker, SurvivesTheLargestNumbers) {
    constexpr std::uint64_t kMax = ~std::uint64_t{0};
    const LifecycleReport report =
        checked({step(Spawned, kMax, kMax, kMax, kReady), step(Running, kMax - 1, kMax, kMax - 1), started(1, kMax),
                 stopped(kMax), dump(kMax, kMax, TaskState::Ready)},
                {gap(1, 3), gap(kMax - 5, kMax - 4)}, {.lost = kMax, .tail = kMax});
    EXPECT_GE(report.findings_total, 1u);
}

TEST(Lifecycle, AStateThatTheCatalogueDoesNotHaveIsNotKnown) {
    for (const std::uint64_t odd : {std::uint64_t{kTaskStates}, std::uint64_t{32}, std::uint64_t{255}}) {
        for (const Record& first :
             {step(Spawned, 1, 7, 1, {{"state", odd}}), dump(7, 1, static_cast<TaskState>(odd))}) {
            LifecycleReport report = checked({first});
            EXPECT_EQ(report.tasks_by_state[number(TaskState::None)], 1u) << odd;
            EXPECT_EQ(std::accumulate(report.tasks_by_state.begin(), report.tasks_by_state.end(), 0), 1) << odd;
            report = checked({first, step(Running, 2, 7, 2)});
            EXPECT_EQ(report.tasks_by_state[number(TaskState::Running)], 1u) << odd;
        }
    }
}

}  // namespace
}  // namespace tiffany::pal::test
