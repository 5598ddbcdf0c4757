// Loss where two tracers record one process, with a clock read each.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "loss_judge_kit.hpp"

namespace tiffany::pal {
namespace {

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
