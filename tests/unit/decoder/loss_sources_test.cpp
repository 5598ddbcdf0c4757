// Loss where more than one source tells of a worker: copies, parts of a recording, the gaps of logs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "loss_judge_kit.hpp"

namespace tiffany::pal {
namespace {

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

}  // namespace
}  // namespace tiffany::pal
