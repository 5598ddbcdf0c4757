// What was not traced, and so not lost: between generations, before the first transition, in a selection.

#include <gtest/gtest.h>

#include "loss_judge_kit.hpp"

namespace tiffany::pal {
namespace {

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

}  // namespace
}  // namespace tiffany::pal
