#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>

#include "child_source.hpp"

namespace tiffany::ctf {
namespace {

using namespace std::chrono_literals;

class Nothing : public FrameHandler {
  public:
    void facts(const TraceFacts& facts) override { seen = facts; }
    void begin(const pal::Begin&) override {}
    void discarded(const pal::Discarded& d) override { discards.push_back(d.count); }
    void gap(const pal::Gap&) override {}
    void end(const pal::End&) override {}
    void unknown(const Counts& events, const Counts&) override { unknown_events = events; }
    void left_out(std::uint64_t) override {}
    void lacks(const std::string& what) override { lacking = what; }

    TraceFacts seen;
    std::vector<std::uint64_t> discards;
    Counts unknown_events;
    std::string lacking;
};

std::string failure(ChildSource& source) {
    Nothing nothing;
    pal::Record record;
    try {
        while (source.next(record, nothing)) {
        }
    } catch (const Error& error) {
        return error.one_line();
    }
    return "no failure";
}

TEST(ChildSource, CarriesRecordsAndEvidenceOver) {
    ChildSource source{"trace",
                       [](FrameWriter& writer) {
                           TraceFacts facts;
                           facts.tiffany = true;
                           facts.clock = "monotonic";
                           facts.from_start = true;
                           writer.facts(facts);
                           pal::Record record;
                           record.info = &catalogue::info(EventId::TaskFailed);
                           record.ts_ns = 12;
                           record.host = "h";
                           record.worker = {0x123456789abc, 0xffff};
                           record.seq = 3;
                           record.set_number("run_ns", 77);
                           record.set_text("error", "it broke");
                           for (int i = 0; i < 10'000; ++i)
                               writer.record(record);
                           writer.discarded({1, 2, 3, true, true});
                           writer.unknown({{"task_frozen", 4}}, {});
                           writer.lacks("a buffer");
                       },
                       60s};
    Nothing seen;
    pal::Record record;
    std::size_t records = 0;
    while (source.next(record, seen))
        ++records;
    EXPECT_EQ(records, 10'000u);
    EXPECT_EQ(record.number("run_ns"), 77u);
    EXPECT_EQ(record.text("error"), "it broke");
    EXPECT_EQ(record.worker, (pal::WorkerId{0x123456789abc, 0xffff}));
    EXPECT_EQ(seen.seen.clock, "monotonic");
    EXPECT_TRUE(seen.seen.from_start);
    EXPECT_EQ(seen.lacking, "a buffer");
    EXPECT_THAT(seen.discards, testing::ElementsAre(3));
    EXPECT_EQ(seen.unknown_events.at("task_frozen"), 4u);
}

TEST(ChildSource, EndsADecoderThatMakesNoProgressAndNamesIt) {
    ChildSource source{"run1/ust",
                       [](FrameWriter&) {
                           for (std::atomic<int> turns = 0;; ++turns) {
                           }
                       },
                       1s};
    EXPECT_EQ(failure(source), "cannot decode run1/ust: its decoder made no progress for 1 s and was ended");
}

TEST(ChildSource, LetsADecoderWorkForLongerThanItsPatienceIfItShowsLife) {
    ChildSource source{"run1",
                       [](FrameWriter& writer) {
                           const auto until = std::chrono::steady_clock::now() + 4s;
                           while (std::chrono::steady_clock::now() < until) {
                               writer.alive();
                               ::usleep(1000);
                           }
                       },
                       2s};
    EXPECT_EQ(failure(source), "no failure");
}

TEST(ChildSource, NamesADecoderThatCrashes) {
    ChildSource source{"run1", [](FrameWriter&) { ::kill(::getpid(), SIGKILL); }, 60s};
    EXPECT_EQ(failure(source), "cannot decode run1: its decoder was killed by signal 9 (Killed)");
}

TEST(ChildSource, PassesOnTheWholeChainOfAnError) {
    ChildSource source{"run1",
                       [](FrameWriter&) {
                           throw Error{ErrorKind::content, "it is cut"}.within("cannot read stream a_0");
                       },
                       60s};
    EXPECT_EQ(failure(source), "cannot read stream a_0: it is cut");
}

TEST(ChildSource, LeavesNoProcessBehindWhenItIsNotReadToItsEnd) {
    const auto begin = std::chrono::steady_clock::now();
    {
        ChildSource source{"run1", [](FrameWriter&) { ::pause(); }, 0s};
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

}  // namespace
}  // namespace tiffany::ctf
