// Loss accounting on sequences made by hand; every expected number is counted by hand in the test's own text.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <tiffany/pal/loss.hpp>
#include <vector>

namespace tiffany::pal {
namespace {

constexpr std::uint64_t kInstance = 0xabc;
constexpr std::uint64_t kMs = 1'000'000;

class Kept : public EntrySink {
  public:
    void begin(const Begin&) override {}
    void record(const Record& record) override {
        order += record.is_transition() ? 't' : 'o';
        seqs.push_back(record.seq);
        if (record.is_transition()) transitions.push_back(record.seq);
    }
    void gap(const Gap& gap) override {
        order += 'g';
        gaps.push_back(gap);
    }
    void end(const End& end) override { ends.push_back(end); }

    std::string order;  // t transition, o other record, g gap
    std::vector<std::uint64_t> seqs;
    std::vector<std::uint64_t> transitions;  // of these
    std::vector<Gap> gaps;
    std::vector<End> ends;
};

Record transition(std::uint64_t seq, std::uint64_t ts_ns, std::uint16_t index = 0) {
    Record record;
    record.info = &catalogue::info(EventId::TaskYield);
    record.ts_ns = ts_ns;
    record.worker = {kInstance, index};
    record.seq = seq;
    return record;
}

Record position(EventId id, std::uint64_t seq, std::uint64_t ts_ns, std::uint64_t generation = 0,
                std::uint16_t index = 0) {
    Record record;
    record.info = &catalogue::info(id);
    record.ts_ns = ts_ns;
    record.worker = {kInstance, index};
    record.seq = seq;
    record.set_number("generation", generation);
    return record;
}

class LossJudgeTest : public testing::Test {
  protected:
    void give(const Record& record) { judge.record(source, record); }
    void give(std::uint64_t from, std::uint64_t to, std::uint64_t ts_ns) {
        for (std::uint64_t seq = from; seq <= to; ++seq)
            give(transition(seq, ts_ns));
    }
    void discarded(std::uint64_t count, std::uint64_t from_ns, std::uint64_t to_ns, bool only_transitions = true) {
        judge.discarded(source, {from_ns, to_ns, count, only_transitions, true});
    }

    Kept kept;
    LossJudge judge{kept};
    std::size_t source = judge.add_source();
};

TEST_F(LossJudgeTest, AnEmptyLogHasAnEndAndNoLoss) {
    const End end = judge.finish();
    EXPECT_EQ(end.records, 0u);
    EXPECT_EQ(end.lost, 0u);
    EXPECT_EQ(kept.ends.size(), 1u);
}

TEST_F(LossJudgeTest, OneRecordIsNoLossWhateverItsSeq) {
    give(transition(500, kMs));
    const End end = judge.finish();
    EXPECT_EQ(end.records, 1u);
    EXPECT_EQ(end.lost, 0u);
    EXPECT_EQ(kept.order, "t");
}

TEST_F(LossJudgeTest, AMissingOneThatWasDiscardedIsAnExplainedGapBeforeTheNext) {
    discarded(1, kMs, 3 * kMs);
    give(1, 2, kMs);
    give(transition(4, 2 * kMs));
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "ttgt");
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 3u);
    EXPECT_EQ(kept.gaps[0].to_seq, 3u);
    EXPECT_EQ(kept.gaps[0].lost, 1u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(kept.gaps[0].ts_ns, 2 * kMs);
    EXPECT_EQ(end.lost, 1u);
    EXPECT_EQ(end.tail, 0u);
    EXPECT_FALSE(end.at_most);
}

TEST_F(LossJudgeTest, WhatIsDiscardedWhereNoTransitionGoesIsNoTransition) {
    const auto others = [&](std::uint64_t count) {
        judge.discarded(source, {.begin_ns = 0, .end_ns = 9 * kMs, .count = count, .only_others = true});
    };
    others(5);
    others(std::uint64_t{0} - 2);  // modulo 2^64, as single counts come
    give(1, 2, kMs);
    give(transition(4, 2 * kMs));
    const End end = judge.finish();
    EXPECT_EQ(end.lost_others, 3u);
    EXPECT_EQ(end.lost, 1u);
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_FALSE(kept.gaps[0].explained) << "what is no transition explains no missing one";
}

// More than one a ns: damage, and no number that could be told.
TEST_F(LossJudgeTest, ASeqThatNoWorkerCanHaveReachedIsLeftOutAndSaid) {
    const std::uint64_t most = kMs + LossJudge::kLateNs;
    give(1, 2, kMs);
    give(position(EventId::WorkerStopped, 2 + most, 2 * kMs));
    EXPECT_EQ(judge.impossible(source), "") << "just possible";
    give(position(EventId::WorkerStopped, 2'089'670'227'099'910'144, 2 * kMs));
    EXPECT_EQ(judge.impossible(source),
              "worker 0 has seq 2089670227099910144 in its WorkerStopped, and 2 was its last 1000000 ns before: it is "
              "damaged");
    EXPECT_EQ(judge.finish().lost, most);
}

TEST_F(LossJudgeTest, ATransitionWhoseSeqCannotBeIsMissingLikeOneThatIsNotThere) {
    give(1, 2, kMs);
    give(transition(std::uint64_t{1} << 60, kMs + 1));
    give(transition(4, kMs + 2));
    const End end = judge.finish();
    EXPECT_EQ(kept.transitions, (std::vector<std::uint64_t>{1, 2, 4}));
    EXPECT_EQ(end.lost, 1u);
    EXPECT_THAT(judge.impossible(source),
                testing::HasSubstr("has seq 1152921504606846976 in its Yield, and 2 was its last 1 ns before"));
}

TEST_F(LossJudgeTest, AMissingOneThatNobodyDiscardedIsLostButNotExplained) {
    give(1, 2, kMs);
    give(4, 5, 2 * kMs);
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_FALSE(kept.gaps[0].explained);
    EXPECT_EQ(end.lost, 1u);
    EXPECT_EQ(judge.unexplained(), 1u);
}

TEST_F(LossJudgeTest, ADiscardedCountAtAnotherTimeExplainsNothing) {
    discarded(5, 10 * kMs, 20 * kMs);
    give(1, 2, kMs);
    give(4, 5, 2 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_FALSE(kept.gaps[0].explained);
}

TEST_F(LossJudgeTest, OneDiscardedCountIsNotUsedTwice) {
    discarded(1, kMs, 9 * kMs);
    give(1, 1, 2 * kMs);
    give(3, 3, 3 * kMs);
    give(5, 5, 4 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_FALSE(kept.gaps[1].explained);
}

TEST_F(LossJudgeTest, TheOldestOfTooManyDiscardedCountsKeepTheirSumWhenTheyAreMerged) {
    discarded(3, kMs, 2 * kMs);
    discarded(2, 2 * kMs, 3 * kMs);
    for (std::size_t i = 1; i < LossJudge::kMaxRanges; ++i)  // one more than are kept apart
        discarded(0, 900 * kMs, 999 * kMs);
    give(1, 1, kMs);
    give(7, 7, 3 * kMs);
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 5u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
    EXPECT_EQ(end.lost, 5u);
}

TEST_F(LossJudgeTest, DiscardedCountsAreSummedModulo2To64) {
    // a counter that two writers share: -3, then +8, so 5 in all
    discarded(std::numeric_limits<std::uint64_t>::max() - 2, kMs, 2 * kMs);
    discarded(8, 2 * kMs, 3 * kMs);
    give(1, 1, kMs);
    give(4, 4, 2 * kMs);  // 2 lost here, so 3 in the tail
    const End end = judge.finish();
    EXPECT_EQ(end.lost, 5u);
    EXPECT_EQ(end.tail, 3u);
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_TRUE(kept.gaps[0].explained);
}

// No tracer discards so many; a trace that says so is a damaged one.
constexpr std::uint64_t kHuge = std::numeric_limits<std::int64_t>::max();

TEST_F(LossJudgeTest, HugeCountsTogetherAccountForWhatEachOfThemDoes) {
    discarded(kHuge, kMs, 2 * kMs);
    discarded(kHuge, kMs, 2 * kMs);
    give(1, 1, kMs);
    give(4, 4, 2 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 2u);
    EXPECT_TRUE(kept.gaps[0].explained);
}

TEST_F(LossJudgeTest, HugeCountsThatAreMergedAccountForWhatEachOfThemDoes) {
    discarded(kHuge, kMs, 2 * kMs);
    discarded(kHuge, kMs, 2 * kMs);
    for (std::size_t i = 1; i < LossJudge::kMaxRanges; ++i)  // one more than are kept apart
        discarded(0, 900 * kMs, 999 * kMs);
    give(1, 1, kMs);
    give(4, 4, 2 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
}

TEST_F(LossJudgeTest, AHugeCountThatHasGrownSinceTakesWhatItIsGivenBack) {
    discarded(kHuge, kMs, 2 * kMs);
    give(1, 1, kMs);
    give(4, 4, 2 * kMs);
    discarded(kHuge, kMs, 2 * kMs);
    for (std::size_t i = 1; i < LossJudge::kMaxRanges; ++i)
        discarded(0, 900 * kMs, 999 * kMs);
    give(position(EventId::WorkerDumped, 4, 3 * kMs, 1));  // the jump gives back, and takes what is left
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 2u);
    EXPECT_TRUE(kept.gaps[0].explained);
}

TEST_F(LossJudgeTest, ASumOfCountsBelowZeroIsNoTail) {
    discarded(std::numeric_limits<std::uint64_t>::max() - 99, kMs, 2 * kMs);
    give(1, 3, kMs);
    EXPECT_EQ(judge.finish().lost, 0u);
}

TEST_F(LossJudgeTest, TheTailOfAChannelOfTransitionsIsWhatNoGapAccountsFor) {
    discarded(10, kMs, 3 * kMs);
    give(1, 2, kMs);
    give(6, 6, 2 * kMs);  // 3 of the 10
    const End end = judge.finish();
    EXPECT_EQ(end.lost, 10u);
    EXPECT_EQ(end.tail, 7u);
    EXPECT_FALSE(end.at_most);
}

TEST_F(LossJudgeTest, TheTailOfAMixedChannelIsAnUpperBound) {
    discarded(10, kMs, 3 * kMs, false);
    give(1, 2, kMs);
    const End end = judge.finish();
    EXPECT_EQ(end.tail, 10u);
    EXPECT_TRUE(end.at_most);
}

TEST_F(LossJudgeTest, AStoppedWorkerTellsItsTailExactlyWhateverAMixedChannelDiscarded) {
    discarded(10, kMs, 3 * kMs, false);
    give(1, 2, kMs);
    give(position(EventId::WorkerStopped, 6, 2 * kMs));
    const End end = judge.finish();
    EXPECT_EQ(end.lost, 4u);
    EXPECT_EQ(end.tail, 4u);
    EXPECT_FALSE(end.at_most);
}

TEST_F(LossJudgeTest, TheTailOfOneWorkerThatDidNotStopComesFromWhatIsLeft) {
    discarded(10, kMs, 3 * kMs);
    give(1, 2, kMs);
    give(transition(1, kMs, 1));                         // never stops
    give(position(EventId::WorkerStopped, 6, 2 * kMs));  // 4 of the 10
    const End end = judge.finish();
    EXPECT_EQ(end.tail, 10u);
    EXPECT_FALSE(end.at_most);
}

TEST_F(LossJudgeTest, AStoppedWorkerThatLostNothingHasNoTail) {
    give(position(EventId::WorkerStarted, 0, kMs));
    give(1, 3, kMs);
    give(position(EventId::WorkerStopped, 3, 2 * kMs));
    const End end = judge.finish();
    EXPECT_EQ(end.lost, 0u);
    EXPECT_EQ(end.records, 5u);
}

TEST_F(LossJudgeTest, TheHeadIsLostOnlyIfTheStartIsThere) {
    discarded(3, kMs, 2 * kMs);
    give(position(EventId::WorkerStarted, 0, kMs));
    give(4, 5, 2 * kMs);
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 1u);
    EXPECT_EQ(kept.gaps[0].to_seq, 3u);
    EXPECT_EQ(end.lost, 3u);
    EXPECT_EQ(end.tail, 0u);
}

TEST_F(LossJudgeTest, AWorkerWhoseEveryTransitionIsLostIsCountedByItsStartAndStop) {
    give(position(EventId::WorkerStarted, 0, kMs));
    give(position(EventId::WorkerStopped, 7, 2 * kMs));
    EXPECT_EQ(judge.finish().lost, 7u);
}

TEST_F(LossJudgeTest, BetweenTwoGenerationsOnlyWhatWasDiscardedIsLost) {
    give(position(EventId::WorkerDumped, 0, kMs, 1));
    give(1, 10, 2 * kMs);
    discarded(4, 2 * kMs, 3 * kMs);
    // the session was off from 31 to 50; before that 20 are missing, 4 of them discarded
    give(51, 52, 4 * kMs);
    give(position(EventId::WorkerDumped, 52, 5 * kMs, 2));
    give(53, 53, 6 * kMs);
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "ottttttttttgttot");
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 11u);
    EXPECT_EQ(kept.gaps[0].to_seq, 50u);
    EXPECT_EQ(kept.gaps[0].lost, 4u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(end.lost, 4u);
    EXPECT_EQ(judge.untraced(), 36u);
    EXPECT_EQ(judge.unexplained(), 0u);
}

TEST_F(LossJudgeTest, AStretchLosesAtMostWhatIsMissing) {
    give(position(EventId::WorkerDumped, 0, kMs, 1));
    give(1, 1, 2 * kMs);
    discarded(1000, 2 * kMs, 3 * kMs, false);
    give(position(EventId::WorkerDumped, 5, 4 * kMs, 2));
    give(position(EventId::WorkerStopped, 5, 5 * kMs));
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 4u);
    EXPECT_EQ(end.lost, 4u);
}

TEST_F(LossJudgeTest, WhatWasNotTracedTakesNoCountThatExplainsWhatAnotherWorkerLost) {
    give(position(EventId::WorkerDumped, 0, kMs, 1, 1));  // idle: worker 1 is at 0, then, the session off, at 4
    give(position(EventId::WorkerDumped, 0, kMs, 1));
    give(1, 1, 2 * kMs);
    discarded(10, 3 * kMs, 9 * kMs);
    give(position(EventId::WorkerDumped, 4, 4 * kMs, 2, 1));
    give(position(EventId::WorkerDumped, 1, 4 * kMs, 2));
    give(2, 2, 5 * kMs);
    give(13, 13, 8 * kMs);  // 3 to 12, the 10 that were discarded
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_EQ(kept.gaps[0].worker.index, 1u);
    EXPECT_EQ(kept.gaps[0].lost, 0u);
    EXPECT_EQ(kept.gaps[1].lost, 10u);
    EXPECT_TRUE(kept.gaps[1].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
    EXPECT_EQ(judge.untraced(), 4u);
    EXPECT_EQ(end.lost, 10u);
}

TEST_F(LossJudgeTest, AJumpThatIsExcusedLaterGivesBackTheCountsThatItTook) {
    give(position(EventId::WorkerDumped, 0, kMs, 1, 1));
    give(position(EventId::WorkerDumped, 0, kMs, 1));
    give(1, 1, 2 * kMs);
    discarded(3, 2 * kMs, 9 * kMs);
    give(transition(8, 3 * kMs, 1));  // 1 to 7 of worker 1: not explained by 3, so it waits
    give(5, 5, 4 * kMs);              // 2 to 4, the 3 that were discarded
    give(position(EventId::WorkerDumped, 8, 5 * kMs, 2, 1));
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_EQ(kept.gaps[0].lost, 0u);
    EXPECT_EQ(kept.gaps[1].lost, 3u);
    EXPECT_TRUE(kept.gaps[1].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
    EXPECT_EQ(judge.untraced(), 7u);
    EXPECT_EQ(end.lost, 3u);
}

TEST_F(LossJudgeTest, AGivenBackCountIsFoundAgainAfterTheOldestWereMerged) {
    give(position(EventId::WorkerDumped, 0, kMs, 1, 1));
    give(1, 1, 2 * kMs);
    discarded(3, 2 * kMs, 9 * kMs);
    give(transition(8, 3 * kMs, 1));
    for (std::size_t i = 0; i < LossJudge::kMaxRanges; ++i)
        discarded(0, 900 * kMs, 999 * kMs);
    give(position(EventId::WorkerDumped, 8, 5 * kMs, 2, 1));
    give(5, 5, 4 * kMs);
    EXPECT_EQ(judge.finish().lost, 3u);
    EXPECT_EQ(judge.unexplained(), 0u);
    EXPECT_EQ(judge.untraced(), 7u);
}

TEST_F(LossJudgeTest, WhatOtherJumpsLeaveIsOfTheExcusedOne) {
    give(position(EventId::WorkerDumped, 0, kMs, 1, 1));
    give(1, 1, 2 * kMs);
    discarded(5, 2 * kMs, 9 * kMs);
    give(position(EventId::WorkerDumped, 4, 4 * kMs, 2, 1));
    give(5, 5, 5 * kMs);  // 3 of the 5
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_EQ(kept.gaps[0].lost, 2u);
    EXPECT_EQ(kept.gaps[1].lost, 3u);
    EXPECT_EQ(judge.untraced(), 2u);
    EXPECT_EQ(end.lost, 5u);
}

TEST_F(LossJudgeTest, AnExcusedJumpWaitsForOthersNoLongerThanItsTime) {
    give(position(EventId::WorkerDumped, 0, kMs, 1, 1));
    discarded(5, 2 * kMs, 9 * kMs);
    give(position(EventId::WorkerDumped, 4, 4 * kMs, 2, 1));
    give(transition(1, 5 * kMs));
    EXPECT_EQ(kept.order, "o");
    give(transition(2, 4 * kMs + LossJudge::kHeldNs));
    EXPECT_EQ(kept.order, "ogott");
}

TEST_F(LossJudgeTest, OnlyTheRestThatNoCountExplainsIsUnexplained) {
    discarded(997, kMs, 3 * kMs);
    give(1, 1, kMs);
    give(1001, 1001, 2 * kMs);  // 999 are missing
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 999u);
    EXPECT_FALSE(kept.gaps[0].explained);
    EXPECT_EQ(judge.unexplained(), 2u);
    EXPECT_EQ(end.lost, 999u);
}

TEST_F(LossJudgeTest, ADumpOfTheSameGenerationExcusesNothing) {
    give(position(EventId::WorkerDumped, 0, kMs, 1));
    give(1, 1, 2 * kMs);
    give(position(EventId::WorkerDumped, 5, 4 * kMs, 1));
    EXPECT_EQ(judge.finish().lost, 4u);
}

TEST_F(LossJudgeTest, AWorkerFirstSeenInADumpLostNothingBefore) {
    give(position(EventId::WorkerDumped, 41, kMs, 1));
    give(42, 43, 2 * kMs);
    EXPECT_EQ(judge.finish().lost, 0u);
    EXPECT_TRUE(kept.gaps.empty());
}

TEST_F(LossJudgeTest, ADumpThatComesTooLateDoesNotExcuse) {
    give(1, 1, kMs);
    give(5, 5, 2 * kMs);
    give(transition(6, 3 * kMs + LossJudge::kHeldNs));
    EXPECT_EQ(kept.order, "tgtt");  // no longer held back
    give(position(EventId::WorkerDumped, 6, 4 * kMs + LossJudge::kHeldNs, 2));
    EXPECT_EQ(judge.finish().lost, 3u);
}

TEST_F(LossJudgeTest, HoldsBackABoundedNumberOfRecords) {
    give(1, 1, kMs);
    give(3, 3 + LossJudge::kHeldRecords, 2 * kMs);
    EXPECT_GE(kept.seqs.size(), 2u);
    judge.finish();
    EXPECT_EQ(kept.seqs.size(), LossJudge::kHeldRecords + 2);
}

TEST_F(LossJudgeTest, ASelectionHasNoGapsAndNoLoss) {
    judge.mark_selection(source);
    give(position(EventId::WorkerStarted, 0, kMs));
    give(transition(5, kMs));
    give(transition(90, 2 * kMs));
    give(position(EventId::WorkerStopped, 100, 3 * kMs));
    const End end = judge.finish();
    EXPECT_TRUE(kept.gaps.empty());
    EXPECT_EQ(end.lost, 0u);
    EXPECT_EQ(end.records, 4u);
}

TEST_F(LossJudgeTest, WhatPrecedesTheFirstTransitionWasNotTracedIfTheTracerWasThereBeforeTheProcess) {
    judge.mark_from_start(source);
    give(position(EventId::WorkerDumped, 861, kMs, 2));
    give(862, 863, 2 * kMs);
    give(position(EventId::WorkerStopped, 863, 3 * kMs));
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "gotto");
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 1u);
    EXPECT_EQ(kept.gaps[0].to_seq, 861u);
    EXPECT_EQ(kept.gaps[0].lost, 0u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(judge.untraced(), 861u);
    EXPECT_EQ(end.lost, 0u);
}

TEST_F(LossJudgeTest, OfThatStretchWhatWasDiscardedWasLost) {
    judge.mark_from_start(source);
    discarded(3, kMs, 2 * kMs);
    give(position(EventId::WorkerDumped, 10, 2 * kMs, 2));
    give(11, 12, 3 * kMs);
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 3u);
    EXPECT_EQ(judge.untraced(), 7u);
    EXPECT_EQ(end.lost, 3u);
}

TEST_F(LossJudgeTest, WithoutAWordThatTheTracerWasLateWhatPrecedesTheFirstTransitionWasLost) {
    judge.mark_from_start(source);  // what is left of a ring
    give(862, 863, 2 * kMs);
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "gtt");
    EXPECT_EQ(end.lost, 861u);
    EXPECT_EQ(judge.unexplained(), 861u);
    EXPECT_EQ(judge.untraced(), 0u);
}

TEST_F(LossJudgeTest, AStopAloneTellsHowMuchOfAWorkerWasLost) {
    judge.mark_from_start(source);
    give(position(EventId::WorkerStopped, 40, kMs));
    EXPECT_EQ(judge.finish().lost, 40u);
    EXPECT_EQ(judge.untraced(), 0u);
}

TEST_F(LossJudgeTest, AWorkerSeenFromItsFirstTransitionMissesNothingBeforeIt) {
    judge.mark_from_start(source);
    give(1, 2, kMs);
    judge.finish();
    EXPECT_EQ(kept.order, "tt");
    EXPECT_EQ(judge.untraced(), 0u);
}

TEST_F(LossJudgeTest, ALogsGapBeforeItsFirstTransitionIsKept) {
    judge.told(source, Gap{kMs, {kInstance, 0}, 1, 861, 3, true});
    judge.told(source, End{2 * kMs, 2, 3, 0, false});
    give(862, 863, 2 * kMs);
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 1u);
    EXPECT_EQ(kept.gaps[0].lost, 3u);
    EXPECT_EQ(judge.untraced(), 858u);
    EXPECT_EQ(end.lost, 3u);
}

TEST_F(LossJudgeTest, DropsTheSecondOfTwoCopies) {
    const std::size_t other = judge.add_source();
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
        judge.record(source, transition(seq, seq * kMs));
        judge.record(other, transition(seq, seq * kMs));
    }
    const End end = judge.finish();
    EXPECT_THAT(kept.seqs, testing::ElementsAre(1, 2, 3));
    EXPECT_EQ(judge.duplicates(), 3u);
    EXPECT_EQ(end.lost, 0u);
}

TEST_F(LossJudgeTest, OfTwoSourcesByTurnsTheOneThatIsBehindGivesCopies) {
    const std::size_t other = judge.add_source();
    give(1, 3, kMs);
    judge.record(other, transition(3, kMs));
    judge.record(other, transition(4, 2 * kMs));
    judge.record(other, transition(5, 2 * kMs));
    give(4, 6, 2 * kMs);
    judge.finish();
    EXPECT_EQ(kept.transitions, (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6}));
    EXPECT_EQ(judge.duplicates(), 3u);
}

TEST_F(LossJudgeTest, AWorkerThatLacksNothingWaitsBehindTheGapOfAnother) {
    give(1, 2, kMs);
    give(transition(1, kMs, 1));
    give(transition(3, 2 * kMs, 1));  // nothing explains its gap yet
    give(3, 4, 2 * kMs);
    EXPECT_EQ(kept.order, "ttt");
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "tttgttt");
    EXPECT_EQ(kept.transitions, (std::vector<std::uint64_t>{1, 2, 1, 3, 3, 4}));
    EXPECT_EQ(end.lost, 1u);
}

TEST_F(LossJudgeTest, WhatOneSourceLostAndTheOtherHasIsNotLost) {
    const std::size_t other = judge.add_source();
    judge.record(source, transition(1, kMs));
    judge.record(other, transition(2, 2 * kMs));
    judge.record(source, transition(3, 3 * kMs));
    EXPECT_EQ(judge.finish().lost, 0u);
}

TEST_F(LossJudgeTest, ALogsGapKeepsItsJudgementAndATailIsNotAddedTwice) {
    const std::size_t other = judge.add_source();
    for (const std::size_t log : {source, other}) {
        judge.told(log, Gap{3 * kMs, {kInstance, 0}, 2, 9, 5, true});
        judge.told(log, End{3 * kMs, 2, 12, 7, true});
    }
    for (const std::size_t log : {source, other}) {
        judge.record(log, transition(1, kMs));
    }
    for (const std::size_t log : {source, other}) {
        judge.record(log, transition(10, 3 * kMs));
    }
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 5u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(end.lost, 12u);
    EXPECT_EQ(end.tail, 7u);
    EXPECT_TRUE(end.at_most);
}

TEST_F(LossJudgeTest, ALogsGapAfterTheLastTransitionOfAWorkerStaysAGap) {
    judge.told(source, Gap{2 * kMs, {kInstance, 0}, 3, 7, 5, true});
    judge.told(source, Gap{3 * kMs, {kInstance, 0}, 8, 9, 0, true});  // not traced
    judge.told(source, Gap{3 * kMs, {kInstance, 1}, 1, 4, 4, false});
    judge.told(source, End{.ts_ns = 4 * kMs, .records = 4, .lost = 9});
    give(1, 2, kMs);
    give(position(EventId::WorkerStopped, 9, 3 * kMs));
    give(position(EventId::WorkerStarted, 0, 3 * kMs, 0, 2));  // of another worker
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "ttooggg");
    ASSERT_EQ(kept.gaps.size(), 3u);
    const auto is = [](const Gap& gap, std::uint16_t index, std::uint64_t from, std::uint64_t to, std::uint64_t lost) {
        EXPECT_EQ(gap.worker.index, index);
        EXPECT_EQ(gap.from_seq, from);
        EXPECT_EQ(gap.to_seq, to);
        EXPECT_EQ(gap.lost, lost);
        EXPECT_EQ(gap.ts_ns, 3 * kMs) << "no earlier than what is before it";
    };
    is(kept.gaps[0], 0, 3, 7, 5);
    is(kept.gaps[1], 0, 8, 9, 0);
    is(kept.gaps[2], 1, 1, 4, 4);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_FALSE(kept.gaps[2].explained);
    EXPECT_EQ(end.lost, 9u);
    EXPECT_EQ(end.tail, 0u) << "what a Gap tells is no tail";
    EXPECT_EQ(judge.untraced(), 2u);
    EXPECT_EQ(judge.unexplained(), 4u);
}

TEST_F(LossJudgeTest, ALastGapOfTwoCopiesOfALogIsToldOnceAndTheRestOfTheirTailToo) {
    const std::size_t other = judge.add_source();
    for (const std::size_t log : {source, other}) {
        judge.told(log, Gap{2 * kMs, {kInstance, 0}, 2, 4, 3, true});
        judge.told(log, End{.ts_ns = 2 * kMs, .records = 1, .lost = 10, .tail = 7});  // of other workers
        judge.record(log, transition(1, kMs));
    }
    const End end = judge.finish();
    EXPECT_EQ(kept.order, "tg");
    EXPECT_EQ(end.tail, 7u);
    EXPECT_EQ(end.lost, 10u);
}

TEST_F(LossJudgeTest, ATailThatAnotherLogTellsAsAGapIsNotLostTwice) {
    const std::size_t other = judge.add_source();
    judge.told(source, End{.ts_ns = kMs, .records = 1, .lost = 4, .tail = 4});
    judge.told(other, Gap{2 * kMs, {kInstance, 0}, 2, 5, 4, true});
    judge.told(other, End{.ts_ns = 2 * kMs, .records = 1, .lost = 4});
    for (const std::size_t log : {source, other})
        judge.record(log, transition(1, kMs));
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(end.tail, 0u);
    EXPECT_EQ(end.lost, 4u);
}

TEST_F(LossJudgeTest, ACopyOfATraceDoesNotDoubleItsTail) {
    const std::size_t copy = judge.add_source();
    for (const std::size_t trace : {source, copy})
        judge.discarded(trace, {kMs, 3 * kMs, 9, true, true});
    for (const std::uint64_t seq : {1, 4})
        for (const std::size_t trace : {source, copy})
            judge.record(trace, transition(seq, seq * kMs));
    const End end = judge.finish();
    EXPECT_EQ(end.lost, 9u);
    EXPECT_EQ(end.tail, 7u);
}

TEST_F(LossJudgeTest, OfTwoPartsOfARecordingOnlyTheLastHasATail) {
    const std::size_t second = judge.add_source();
    judge.discarded(source, {kMs, 2 * kMs, 5, true, true});  // after 1, the part's last: a gap of the whole
    judge.discarded(second, {7 * kMs, 9 * kMs, 3, true, true});
    judge.record(source, transition(1, kMs));
    judge.record(second, transition(7, 7 * kMs));
    const End end = judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].lost, 5u);
    EXPECT_EQ(end.tail, 3u);
    EXPECT_EQ(end.lost, 8u);
}

TEST_F(LossJudgeTest, ATailThatAnotherLogHasIsNotLost) {
    const std::size_t other = judge.add_source();
    judge.told(source, End{kMs, 1, 4, 4, false});
    judge.told(other, End{3 * kMs, 3, 0, 0, false});
    judge.record(source, transition(1, kMs));
    for (std::uint64_t seq = 1; seq <= 5; ++seq)
        judge.record(other, transition(seq, seq * kMs));
    EXPECT_EQ(judge.finish().lost, 0u);
}

TEST_F(LossJudgeTest, ARecordThatComesAfterItsGapIsKeptAndLossIsAnUpperBound) {
    discarded(3, kMs, 9 * kMs);
    give(1, 1, kMs);
    give(5, 5, 2 * kMs);
    give(3, 3, 3 * kMs);
    give(3, 3, 3 * kMs);  // and its copy is dropped
    const End end = judge.finish();
    EXPECT_THAT(kept.seqs, testing::ElementsAre(1, 5, 3));
    EXPECT_EQ(end.lost, 3u);
    EXPECT_TRUE(end.at_most);
}

TEST_F(LossJudgeTest, AnUnknownTransitionCountsForSeq) {
    give(1, 1, kMs);
    Record unknown = transition(2, 2 * kMs);
    unknown.info = nullptr;
    unknown.unknown = "task_frozen";
    give(unknown);
    give(3, 3, 3 * kMs);
    EXPECT_EQ(judge.finish().lost, 0u);
}

// ---- two tracers of one process, with a clock read each ----

class TwoTracers : public LossJudgeTest {
  protected:
    struct Given {
        std::size_t source;
        Record record;
    };
    void has(std::size_t from, std::uint64_t seq, std::uint64_t ts_ns) {
        all.push_back({from, transition(seq, ts_ns)});
    }
    /// All are read before the first is given, each source in its own order.
    void merge() {
        for (const Given& given : all)
            judge.expect(given.source, given.record);
        std::ranges::stable_sort(all, {}, [](const Given& given) { return given.record.ts_ns; });
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::size_t from = all[i].source;
            judge.record(from, all[i].record);
            if (std::none_of(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                             [from](const Given& given) { return given.source == from; }))
                judge.ended(from);
        }
        end = judge.finish();
    }
    /// The seqs that are told, each as a record or in a gap.
    std::vector<std::uint64_t> told() const {
        std::vector<std::uint64_t> seqs = kept.transitions;
        for (const Gap& gap : kept.gaps)
            for (std::uint64_t seq = gap.from_seq; seq <= gap.to_seq; ++seq)
                seqs.push_back(seq);
        std::ranges::sort(seqs);
        return seqs;
    }

    std::size_t trace = source;
    std::size_t log = judge.add_source();
    std::vector<Given> all;
    End end;
};

constexpr std::uint64_t kSkewNs = 3'000;

TEST_F(TwoTracers, WhatOneLostTheOtherHasThoughItsStampIsLater) {
    discarded(3, kMs, 9 * kMs);
    for (const std::uint64_t seq : {1, 2, 5, 7, 8})
        has(trace, seq, kMs + seq * 1'000);
    for (std::uint64_t seq = 1; seq <= 8; ++seq)
        has(log, seq, kMs + seq * 1'000 + kSkewNs);
    all.push_back({log, position(EventId::WorkerStopped, 8, 2 * kMs)});
    judge.told(log, End{.records = 8});
    merge();
    EXPECT_THAT(kept.gaps, testing::IsEmpty());
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(end.lost, 0u) << "no tail either: what was discarded is in the log";
    EXPECT_FALSE(end.at_most);
    EXPECT_EQ(judge.duplicates(), 5u);
}

TEST_F(TwoTracers, ALogThatEndsBeforeTheProcessDoesNotSayWhatWasDiscardedAfter) {
    discarded(4, kMs, 9 * kMs);  // of a worker that nobody tells of, perhaps
    for (const std::size_t from : {trace, log}) {
        has(from, 1, kMs);
        has(from, 2, kMs + 1);
    }
    all.push_back({trace, position(EventId::WorkerStopped, 2, 2 * kMs)});
    judge.told(log, End{.records = 2});
    merge();
    EXPECT_EQ(end.lost, 4u);
}

TEST_F(TwoTracers, ALogInTheOrderOfItsTimesNeedNotGoWithItsSeq) {
    discarded(3, kMs, 9 * kMs);
    has(trace, 1, kMs);
    has(trace, 4, 3 * kMs);
    has(log, 1, kMs + 1);
    has(log, 3, 2 * kMs);
    has(log, 2, 5 * kMs);  // later, though its seq is less
    has(log, 4, 6 * kMs);
    merge();
    EXPECT_THAT(kept.gaps, testing::IsEmpty());
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(TwoTracers, ALogThatBeginsInTheMiddleDoesNotSayWhatWasDiscardedBefore) {
    discarded(9, 0, 9 * kMs);  // of a worker that nobody tells of, perhaps
    judge.mark_from_the_middle(log);
    judge.told(log, End{.records = 2});
    for (const std::uint64_t seq : {5, 6}) {
        has(trace, seq, kMs + seq);
        has(log, seq, kMs + seq + kSkewNs);
    }
    all.push_back({log, position(EventId::WorkerStopped, 6, 2 * kMs)});
    merge();
    EXPECT_EQ(end.lost, 9u);
}

TEST_F(TwoTracers, WhatBothLostIsInGapsAndNothingIsToldTwice) {
    discarded(6, kMs, 9 * kMs);
    for (const std::uint64_t seq : {1, 2, 9, 10})
        has(trace, seq, kMs + seq * 1'000);
    for (const std::uint64_t seq : {1, 2, 4, 5, 7, 10})
        has(log, seq, kMs + seq * 1'000 + kSkewNs);
    merge();
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
    ASSERT_EQ(kept.gaps.size(), 3u);
    for (const Gap& gap : kept.gaps) {
        EXPECT_EQ(gap.from_seq, gap.to_seq);
        EXPECT_EQ(gap.lost, 1u);
        EXPECT_TRUE(gap.explained);
    }
}

TEST_F(TwoTracers, OneThatBeginsInTheMiddleIsNotWaitedFor) {
    discarded(1, kMs, 9 * kMs);
    has(trace, 1, kMs);
    has(trace, 3, 2 * kMs);
    has(trace, 4, 3 * kMs);
    has(log, 5, 3 * kMs + LossJudge::kLateNs);
    for (const Given& given : all)
        judge.expect(given.source, given.record);
    for (std::size_t i = 0; i < 3; ++i)
        judge.record(trace, all[i].record);
    EXPECT_EQ(kept.order, "tgtt");
}

TEST_F(TwoTracers, WhatALogSaysOfAGapIsSaidOnceThoughTheOtherCutsItInTwo) {
    judge.told(log, Gap{kMs, {kInstance, 0}, 5, 10, 3, true});  // the others were not traced
    for (const std::uint64_t seq : {1, 2, 3, 4, 11})
        has(log, seq, kMs + seq * 1'000);
    has(trace, 4, kMs + 4 * 1'000 + 1);
    has(trace, 7, kMs + 7 * 1'000);
    has(trace, 11, kMs + 11 * 1'000 + 1);
    merge();
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}));
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_EQ(kept.gaps[0].lost + kept.gaps[1].lost, 3u);
    EXPECT_EQ(end.lost, 3u);
}

TEST_F(TwoTracers, WhatBothLostAfterTheLastTransitionIsInTheLogsGapAndInNoTail) {
    discarded(5, 2 * kMs, 9 * kMs);
    judge.told(log, Gap{3 * kMs, {kInstance, 0}, 3, 7, 5, true});
    judge.told(log, End{.records = 2, .lost = 5});
    for (const std::size_t from : {trace, log}) {
        has(from, 1, kMs);
        has(from, 2, kMs + 1);
    }
    merge();
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7}));
    EXPECT_EQ(end.lost, 5u);
    EXPECT_EQ(end.tail, 0u);
}

TEST_F(TwoTracers, OfALogsLastGapOnlyWhatTheTraceLacksIsTold) {
    discarded(2, 5 * kMs, 9 * kMs);
    judge.told(log, Gap{3 * kMs, {kInstance, 0}, 3, 7, 5, true});
    judge.told(log, End{.records = 2, .lost = 5});
    for (std::uint64_t seq = 1; seq <= 5; ++seq)
        has(trace, seq, kMs + seq);
    has(log, 1, kMs + 1 + kSkewNs);
    has(log, 2, kMs + 2 + kSkewNs);
    merge();
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4, 5, 6, 7}));
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.gaps[0].from_seq, 6u);
    EXPECT_EQ(kept.gaps[0].lost, 2u);
    EXPECT_EQ(end.lost, 2u);
}

TEST_F(TwoTracers, OneThatHasEndedIsNotWaitedFor) {
    discarded(1, kMs, 9 * kMs);
    has(log, 1, kMs);
    has(trace, 1, kMs + 1);
    has(trace, 3, 2 * kMs);
    for (const Given& given : all)
        judge.expect(given.source, given.record);
    judge.record(log, all[0].record);
    judge.ended(log);
    judge.record(trace, all[1].record);
    judge.record(trace, all[2].record);
    EXPECT_EQ(kept.order, "tgt");
}

TEST_F(TwoTracers, ARecordIsWaitedForSoLong) {
    has(trace, 1, kMs);
    has(trace, 3, 2 * kMs);
    has(log, 1, kMs);
    has(log, 2, 2 * kMs + LossJudge::kLateNs - 1);
    has(trace, 4, 2 * kMs + LossJudge::kLateNs - 2);
    merge();
    EXPECT_THAT(kept.gaps, testing::IsEmpty());
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{1, 2, 3, 4}));
}

TEST_F(TwoTracers, ALaterOneMakesWhatWasToldAnUpperBound) {
    discarded(1, kMs, 9 * kMs);
    has(trace, 1, kMs);
    has(trace, 3, 2 * kMs);
    has(log, 1, kMs);
    has(trace, 4, 2 * kMs + LossJudge::kLateNs);
    has(log, 2, 3 * kMs + LossJudge::kLateNs);
    merge();
    EXPECT_EQ(kept.gaps.size(), 1u);
    EXPECT_EQ(kept.seqs.size(), 4u);
    EXPECT_TRUE(end.at_most);
}

TEST_F(TwoTracers, AnOrderThatIsNotThatOfSeqIsKnownOnlyOfWhatWasReadAhead) {
    discarded(2, kMs, 9 * kMs);
    const Record first = transition(1, kMs), fourth = transition(4, 2 * kMs), third = transition(3, 4 * kMs);
    const auto give_one = [&](std::size_t from, const Record& record) {
        judge.expect(from, record);
        judge.record(from, record);
    };
    give_one(trace, first);
    give_one(log, first);
    give_one(trace, fourth);
    give_one(log, fourth);  // both have come past the jump
    EXPECT_EQ(kept.order, "tgt");
    give_one(log, third);
    end = judge.finish();
    EXPECT_EQ(kept.order, "tgtt");
    EXPECT_EQ(kept.transitions, (std::vector<std::uint64_t>{1, 4, 3})) << "each once";
    EXPECT_TRUE(end.at_most);
    EXPECT_EQ(end.lost, 2u);
}

TEST_F(TwoTracers, TheTimesOfASourceNeedNotGoWithItsSeq) {
    has(log, 1, kMs);
    has(log, 2, 5 * kMs);
    has(log, 3, 2 * kMs);  // by the stamp of its caller
    has(log, 4, 6 * kMs);
    merge();
    EXPECT_THAT(kept.gaps, testing::IsEmpty());
    EXPECT_EQ(kept.seqs, (std::vector<std::uint64_t>{1, 3, 2, 4}));
    EXPECT_EQ(end.lost, 0u);
}

TEST_F(TwoTracers, WhatTheOtherHasBeforeTheFirstOfOneIsNoGap) {
    has(trace, 5, kMs);
    for (std::uint64_t seq = 2; seq <= 5; ++seq)
        has(log, seq, kMs + seq);
    merge();
    EXPECT_THAT(kept.gaps, testing::IsEmpty());
    EXPECT_EQ(told(), (std::vector<std::uint64_t>{2, 3, 4, 5}));
}

TEST_F(TwoTracers, MemoryIsBoundedWhileOneIsWaitedFor) {
    has(log, 1, kMs);
    has(log, 100'000, kMs + LossJudge::kLateNs);
    has(trace, 1, kMs);
    for (std::uint64_t seq = 3; seq < 2 * LossJudge::kHeldRecords; ++seq)
        has(trace, seq, kMs + 1 + seq / 1'000);
    for (const Given& given : all)
        judge.expect(given.source, given.record);
    judge.record(log, all[0].record);
    for (std::size_t i = 2; i < all.size(); ++i)
        judge.record(trace, all[i].record);
    EXPECT_GE(kept.seqs.size(), LossJudge::kHeldRecords - 10);
    EXPECT_EQ(kept.gaps.size(), 1u);
}

}  // namespace
}  // namespace tiffany::pal
