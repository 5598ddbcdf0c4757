// Copies of records without a seq, as two exits of one process tell them.

#include <gtest/gtest.h>

#include <initializer_list>
#include <string_view>
#include <vector>

#include "duplicates.hpp"

namespace tiffany::ctf {
namespace {

constexpr std::uint64_t kInstance = 0xabc;

pal::Record record_of(EventId id, std::uint64_t ts_ns, std::uint64_t seq = 0) {
    pal::Record record;
    record.info = &catalogue::info(id);
    record.ts_ns = ts_ns;
    record.worker = {kInstance, 0};
    record.seq = seq;
    return record;
}

pal::Record note(std::uint64_t ts_ns, std::string_view value) {
    pal::Record record = record_of(EventId::Note, ts_ns);
    record.set_text("value", value);
    return record;
}

pal::Record yield(std::uint64_t ts_ns, std::uint64_t seq) {
    return record_of(EventId::TaskYield, ts_ns, seq);
}

/// Two exits: each says its records in its own order, and they come by time.
class TwoExits : public testing::Test {
  protected:
    /// Whether it is a copy; a transition tells only where its worker is.
    bool give(std::size_t source, const pal::Record& record) {
        const std::uint64_t anchor = anchors[source].of(record);
        if (record.is_transition()) return false;
        return duplicates.seen(source, record, anchor, anchors[source].until(record, anchor));
    }
    /// The same for records that were read before the first is given.
    std::vector<bool> give_all(std::size_t source, const std::vector<pal::Record>& records) {
        std::vector<std::uint64_t> places;
        for (const pal::Record& record : records)
            places.push_back(anchors[source].of(record));
        std::vector<bool> copies;
        for (std::size_t i = 0; i < records.size(); ++i)
            if (!records[i].is_transition())
                copies.push_back(
                    duplicates.seen(source, records[i], places[i], anchors[source].until(records[i], places[i])));
        return copies;
    }

    Anchors anchors[2];
    Duplicates duplicates;
};

TEST_F(TwoExits, ARecordAfterTheSameSeqIsACopyWhateverItsTime) {
    give(0, yield(10, 1));
    give(1, yield(12, 1));
    EXPECT_FALSE(give(0, note(20, "a")));
    EXPECT_TRUE(give(1, note(25, "a")));
}

TEST_F(TwoExits, TheSameContentAfterAnotherSeqIsAnotherRecord) {
    give(0, yield(10, 1));
    give(1, yield(10, 1));
    EXPECT_FALSE(give(0, note(20, "a")));
    give(1, yield(21, 2));
    EXPECT_FALSE(give(1, note(25, "a")));  // the first was lost in this exit
    give(0, yield(26, 2));
    EXPECT_TRUE(give(0, note(27, "a")));
}

TEST_F(TwoExits, OtherContentAfterTheSameSeqIsAnotherRecord) {
    give(0, yield(10, 1));
    give(1, yield(10, 1));
    EXPECT_FALSE(give(0, note(20, "a")));
    EXPECT_FALSE(give(1, note(25, "b")));
    EXPECT_TRUE(give(1, note(26, "a"))) << "one of them may be lost in an exit, or late";
}

TEST_F(TwoExits, TwoEqualOnesOfOneExitAreTwoAndHaveTwoCopies) {
    give(0, yield(10, 1));
    give(1, yield(10, 1));
    EXPECT_FALSE(give(0, note(20, "a")));
    EXPECT_TRUE(give(1, note(21, "a")));
    EXPECT_FALSE(give(1, note(22, "a")));
    EXPECT_TRUE(give(0, note(23, "a")));
}

TEST_F(TwoExits, AWorkersStartIsACopyAndTellsWhereItIs) {
    EXPECT_FALSE(give(0, record_of(EventId::WorkerStarted, 1)));
    EXPECT_TRUE(give(1, record_of(EventId::WorkerStarted, 2)));
    EXPECT_FALSE(give(0, note(3, "a")));
    EXPECT_TRUE(give(1, note(4, "a")));
}

TEST_F(TwoExits, AnExitThatBeginsInTheMiddleKnowsTheSeqFromAPosition) {
    give(0, yield(10, 41));
    EXPECT_FALSE(give(0, record_of(EventId::WorkerDumped, 11, 41)));
    EXPECT_FALSE(give(0, note(12, "a")));
    EXPECT_TRUE(give(1, record_of(EventId::WorkerDumped, 13, 41)));
    EXPECT_TRUE(give(1, note(14, "a")));
}

TEST_F(TwoExits, AnExitThatBeginsInTheMiddleKnowsTheSeqFromWhatItSaysOfItsFirst) {
    give(0, yield(10, 41));
    EXPECT_FALSE(give(0, note(12, "a")));
    anchors[1].begin({{kInstance, 0}, 42});
    EXPECT_TRUE(give(1, note(14, "a")));
}

TEST_F(TwoExits, WithoutAKnownSeqOnlyTheSameTimeMakesACopy) {
    give(0, yield(10, 41));
    EXPECT_FALSE(give(0, note(12, "a")));
    EXPECT_FALSE(give(0, note(14, "b")));
    EXPECT_TRUE(give(1, note(14, "b")));
    EXPECT_FALSE(give(1, note(15, "a")));
}

TEST_F(TwoExits, WhatBothHaveOfOneTimeIsOneRecordWhicheverIsGivenFirst) {
    const auto park = [](std::uint64_t ts_ns) { return record_of(EventId::ParkBegin, ts_ns); };
    give(1, yield(1, 1));
    EXPECT_FALSE(give(1, park(2)));  // this source alone has it, after the same seq
    EXPECT_FALSE(give(0, park(4)));  // knows no seq
    EXPECT_TRUE(give(1, park(4)));
    EXPECT_FALSE(give(1, park(6)));
    EXPECT_TRUE(give(0, park(6)));
}

TEST_F(TwoExits, AStallIsToldByAnotherThreadSoItsPlaceDoesNotMatter) {
    pal::Record stalled = record_of(EventId::Stalled, 20);
    stalled.tid = 7;
    stalled.set_number("run_ns", 1'000'000);
    give(0, yield(10, 1));
    EXPECT_FALSE(give(0, stalled));
    give(1, yield(11, 1));
    give(1, yield(12, 2));
    stalled.ts_ns = 25;
    EXPECT_TRUE(give(1, stalled));
    stalled.set_number("run_ns", 2'000'000);
    EXPECT_FALSE(give(1, stalled));
}

TEST_F(TwoExits, WhereOneLostTheTransitionBeforeItItIsACopyAllTheSame) {
    const pal::Record park = record_of(EventId::ParkBegin, 30);
    using All = std::vector<bool>;
    EXPECT_EQ(give_all(0, {yield(10, 1), yield(20, 2), note(25, "a"), park, yield(40, 3)}), (All{false, false}));
    EXPECT_EQ(give_all(1, {yield(11, 1), note(26, "a"), record_of(EventId::ParkBegin, 31), yield(41, 3)}),
              (All{true, true}));
}

TEST_F(TwoExits, WhicheverIsGivenFirst) {
    using All = std::vector<bool>;
    EXPECT_EQ(give_all(1, {yield(11, 1), note(26, "a"), yield(41, 4)}), (All{false}));
    EXPECT_EQ(give_all(0, {yield(10, 1), yield(20, 2), note(27, "a"), yield(30, 3), yield(40, 4)}), (All{true}));
}

TEST_F(TwoExits, OfWhatOneHasManyOfTheOtherHasCopiesOfSoManyAsItKept) {
    using All = std::vector<bool>;
    const auto park = [](std::uint64_t ts_ns) { return record_of(EventId::ParkBegin, ts_ns); };
    EXPECT_EQ(give_all(0, {yield(1, 1), park(2), yield(3, 2), park(4), yield(5, 3), park(6), yield(7, 4)}),
              (All{false, false, false}));
    EXPECT_EQ(give_all(1, {yield(1, 1), park(8), park(9), yield(10, 4)}), (All{true, true}));
    EXPECT_EQ(give_all(1, {park(11)}), (All{false})) << "after seq 4";
}

TEST_F(TwoExits, WhereNothingWasLostTheSeqDecides) {
    using All = std::vector<bool>;
    EXPECT_EQ(give_all(0, {yield(1, 1), note(2, "a"), yield(3, 2), yield(4, 3)}), (All{false}));
    EXPECT_EQ(give_all(1, {yield(1, 1), yield(3, 2), note(5, "a"), yield(6, 3)}), (All{false}));
}

TEST_F(TwoExits, BeforeADumpTellsHowFarItIsTheSeqIsBetweenTwoBounds) {
    using All = std::vector<bool>;
    EXPECT_EQ(give_all(0, {yield(1, 1), yield(2, 2), note(3, "a"), record_of(EventId::WorkerDumped, 4, 2)}),
              (All{false, false}));
    EXPECT_EQ(give_all(1, {yield(1, 1), note(3, "a"), record_of(EventId::WorkerDumped, 5, 2)}), (All{true, true}));
}

TEST_F(TwoExits, OfTheOldestItForgets) {
    give(0, yield(1, 1));
    give(1, yield(1, 1));
    give(0, note(2, "first"));
    give(0, note(3, "second"));
    for (std::size_t i = 0; i + 1 < Duplicates::kMostKept; ++i)
        give(0, note(10 + i, std::to_string(i)));
    EXPECT_FALSE(give(1, note(1'000'000, "first")));
    EXPECT_TRUE(give(1, note(1'000'001, std::to_string(Duplicates::kMostKept - 2))));
}

}  // namespace
}  // namespace tiffany::ctf
