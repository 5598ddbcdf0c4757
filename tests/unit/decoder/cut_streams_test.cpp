// Of two streams one is cut: what is missing is accounted for the same, whoever reads. The numbers are counted by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <tiffany/pal/record.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <vector>

#include "../temporary_folder.hpp"
#include "plain_metadata.hpp"
#include "trace_reader.hpp"

namespace tiffany::ctf {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

template <typename Number>
void add(std::string& to, Number value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

constexpr std::uint32_t kEvent = 3;

/// A stream of one worker's transitions, which happen at the time that is their seq.
struct CutStream {
    std::uint64_t instance;
    std::uint64_t packets = 0;
    std::uint64_t discarded = 0;
    std::string bytes{};

    /// @param lost  so many were discarded since the packet before, or in this one
    CutStream& packet(const std::vector<std::uint64_t>& seqs, std::uint64_t lost = 0) {
        discarded += lost;
        std::string content;
        for (const std::uint64_t seq : seqs) {
            add(content, static_cast<std::uint32_t>(seq << 5U | kEvent));
            for (const std::uint64_t field : {std::uint64_t{7} << 16U, std::uint64_t{1}, seq, seq})
                add(content, field);
        }
        constexpr std::size_t kHeader = 84;
        const std::uint64_t bits = (kHeader + content.size()) * 8;
        add(bytes, std::uint32_t{0xC1FC1FC1});
        for (unsigned i = 0; i < 16; ++i)
            add(bytes, static_cast<std::uint8_t>(i * 0x11));
        add(bytes, std::uint32_t{0});
        for (const std::uint64_t field : {instance, seqs.front(), seqs.back(), bits, bits, packets++, discarded})
            add(bytes, field);
        add(bytes, std::uint32_t{0});
        bytes += content;
        return *this;
    }
};

/// What a reader makes of it.
struct Account : pal::EntrySink {
    void begin(const pal::Begin&) override {}
    void record(const pal::Record& record) override { seqs.push_back(record.seq); }
    void gap(const pal::Gap& gap) override {
        gaps.push_back(std::to_string(gap.from_seq) + ".." + std::to_string(gap.to_seq) +
                       (gap.explained ? "" : ", not explained"));
    }
    void end(const pal::End& end) override { bad_parts = end.bad_parts; }

    std::vector<std::uint64_t> seqs;
    std::vector<std::string> gaps;
    std::uint64_t bad_parts = 0;
    ReadSummary summary;
};

class CutStreams : public testing::TestWithParam<Reader> {
  protected:
    CutStreams() {
        PlainMetadata metadata;
        const std::string number = "integer { size = 64; align = 8; signed = 0; encoding = none; base = 10; } ";
        metadata.fields = number + "_worker;" + number + "_tid;" + number + "_seq;" + number + "_step;";
        const auto declared = [](EventId id, unsigned as) {
            return "name = \"tiffany:" + std::string{catalogue::info(id).tracepoint} +
                   "\"; id = " + std::to_string(as) + "; stream_id = 0; loglevel = 6;";
        };
        metadata.event = declared(EventId::TaskReady, kEvent);
        // with all the others, too, else it would be a selection, of which no gap is told
        for (const catalogue::EventInfo& info : catalogue::events().first(kTransitions))
            if (info.id != EventId::TaskReady)
                metadata.more += "event { " + declared(info.id, 100 + static_cast<unsigned>(info.id)) +
                                 " fields := struct { " + metadata.fields + " }; };\n";
        std::ofstream{home_.path() / "metadata", std::ios::binary} << metadata.text();
        first.packet({1, 2}).packet({5, 6}, 2).packet({9, 10});
        second.packet({7, 8}).packet({13}, 2);
    }

    Account read() const {
        std::ofstream{home_.path() / "chan_0", std::ios::binary} << first.bytes;
        std::ofstream{home_.path() / "chan_1", std::ios::binary} << second.bytes;
        Account account;
        ReadOptions options;
        options.of_traces.reader = GetParam();
        account.summary = read_inputs({home_.path().string()}, options, account);
        return account;
    }

    const tiffany::test::TemporaryFolder home_;
    CutStream first{0};
    CutStream second{1};
};

TEST_P(CutStreams, AreToldOfWhereBothAreWhole) {
    const Account account = read();
    EXPECT_THAT(account.seqs, ElementsAre(1, 2, 5, 6, 7, 8, 9, 10, 13));
    EXPECT_THAT(account.gaps, ElementsAre("3..4", "11..12"));
    EXPECT_EQ(account.summary.lost, 4U);
    EXPECT_EQ(account.summary.unexplained, 0U);
    EXPECT_THAT(account.summary.bad_parts, IsEmpty());
}

TEST_P(CutStreams, LackWhatWasInTheHalfWhichNoCountExplains) {
    first.bytes.resize(first.bytes.size() - 5);
    const Account account = read();
    EXPECT_THAT(account.seqs, ElementsAre(1, 2, 5, 6, 7, 8, 13));
    EXPECT_THAT(account.gaps, ElementsAre("3..4", "9..12, not explained"));
    EXPECT_EQ(account.summary.lost, 6U);
    EXPECT_EQ(account.summary.unexplained, 2U);
    EXPECT_THAT(account.summary.bad_parts, ElementsAre(HasSubstr("chan_0: packet 2 at byte 312 is cut")));
    EXPECT_EQ(account.bad_parts, 1U);
}

TEST_P(CutStreams, DoNotTellOfWhatTheHalfCounted) {
    // the discarded count of the half packet is not known: it stands for its end, which is not there
    second.bytes.resize(second.bytes.size() - 1);
    const Account account = read();
    EXPECT_THAT(account.seqs, ElementsAre(1, 2, 5, 6, 7, 8, 9, 10));
    EXPECT_THAT(account.gaps, ElementsAre("3..4"));
    EXPECT_EQ(account.summary.lost, 2U);
    EXPECT_THAT(account.summary.bad_parts, ElementsAre(HasSubstr("chan_1: packet 1 at byte 156 is cut")));
}

INSTANTIATE_TEST_SUITE_P(OfEachReader, CutStreams, testing::Values(Reader::native, Reader::babeltrace2),
                         [](const auto& reader) {
                             return std::string{reader.param == Reader::native ? "native" : "babeltrace2"};
                         });

TEST(Sentences, OfALogThatHasAnyNumberOfThemSomeAreKept) {
    std::vector<std::string> many;
    for (int i = 0; i < 100'000; ++i)
        many.push_back(std::to_string(i));
    std::vector<std::string> kept{"0"};
    add_sentences(kept, many);
    ASSERT_EQ(kept.size(), 257u);
    EXPECT_EQ(kept[255], "255") << "the one that was there is there once";
    EXPECT_THAT(kept.back(), testing::HasSubstr("more"));
    add_sentences(kept, {"another"});
    EXPECT_EQ(kept.size(), 257u);
}

}  // namespace
}  // namespace tiffany::ctf
