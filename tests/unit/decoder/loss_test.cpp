// What is lost and which counts of discarded events explain it: gaps, tails, heads.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "loss_judge_kit.hpp"

namespace tiffany::pal {
namespace {

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

TEST_F(LossJudgeTest, AGapMayBeCountedInThePacketThatBeginsJustBehindIt) {
    discarded(1, 2 * kMs + kMs / 2, 20 * kMs);
    give(1, 2, kMs);
    give(4, 5, 2 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 1u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
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

TEST_F(LossJudgeTest, ACountThatGoesOnIsKeptForAGapThatNoOtherOneAccountsFor) {
    discarded(1, kMs, 50 * kMs);  // one CPU's packet
    discarded(1, 5 * kMs, 10 * kMs);
    give(1, 1, 4 * kMs);
    give(3, 3, 8 * kMs);
    give(4, 4, 20 * kMs);
    give(6, 6, 30 * kMs);
    judge.finish();
    ASSERT_EQ(kept.gaps.size(), 2u);
    EXPECT_TRUE(kept.gaps[0].explained);
    EXPECT_TRUE(kept.gaps[1].explained);
    EXPECT_EQ(judge.unexplained(), 0u);
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

}  // namespace
}  // namespace tiffany::pal
