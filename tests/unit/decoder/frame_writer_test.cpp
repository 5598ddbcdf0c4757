#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "child_source.hpp"
#include "unheard.hpp"

namespace tiffany::ctf {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;

/// The first records of a trace, by some reader.
void tell(FrameWriter& writer, std::uint64_t records, std::uint64_t odd_one = ~std::uint64_t{0}) {
    writer.facts({});
    pal::Record record;
    record.info = &catalogue::info(EventId::TaskDone);
    for (std::uint64_t i = 0; i < records; ++i) {
        record.tid = i == odd_one ? 0 : i + 1;
        record.host = i % 3 == 0 ? "h" : "";
        writer.record(record);
    }
}

struct Read {
    std::vector<std::uint64_t> tids;
    int facts = 0;
    std::string failure;
};

Read read_all(const std::function<void(FrameWriter&)>& work) {
    ChildSource source{"trace", work, 60s};
    test::Unheard handler;
    pal::Record record;
    Read read;
    try {
        while (source.next(record, handler))
            read.tids.push_back(record.tid);
    } catch (const Error& error) {
        read.failure = error.one_line();
    }
    read.facts = handler.told_facts;
    return read;
}

TEST(FrameWriter, TellsNothingTwiceWhenAnotherReaderBeginsAgain) {
    for (const std::uint64_t first : {0, 1, 100, 5'000, 20'000}) {  // some within the buffer, some sent already
        const Read read = read_all([first](FrameWriter& writer) {
            writer.may_come_again();
            tell(writer, first);
            writer.again();
            tell(writer, 20'000);
        });
        EXPECT_EQ(read.failure, "");
        EXPECT_EQ(read.facts, 1);
        ASSERT_EQ(read.tids.size(), 20'000u) << first;
        for (std::uint64_t i = 0; i < read.tids.size(); ++i)
            ASSERT_EQ(read.tids[i], i + 1);
    }
}

struct Bounds : ChildHandler {
    void bounds(const Said& told) override { said = told; }
    Said said;
};

/// What two processes tell, of which the second goes on where the first left off.
Read read_of_two(std::uint64_t first, std::uint64_t second, std::uint64_t odd_one = ~std::uint64_t{0}) {
    ChildSource begun{"trace",
                      [first](FrameWriter& writer) {
                          writer.lacks("once");
                          writer.may_come_again();
                          tell(writer, first);
                          writer.bounds(writer.leave_off());
                      },
                      60s};
    test::Unheard handler;
    Bounds bounds;
    pal::Record record;
    Read read;
    while (begun.next(record, handler, bounds))
        read.tids.push_back(record.tid);
    read.facts = handler.told_facts;
    const Read rest = read_all([&](FrameWriter& writer) {
        writer.take_up(bounds.said);
        tell(writer, second, odd_one);
    });
    read.tids.insert(read.tids.end(), rest.tids.begin(), rest.tids.end());
    read.facts += rest.facts;
    read.failure = rest.failure;
    return read;
}

TEST(FrameWriter, TellsNothingTwiceWhenAnotherProcessGoesOn) {
    for (const std::uint64_t first : {0, 1, 100, 5'000, 20'000}) {
        const Read read = read_of_two(first, 20'000);
        EXPECT_EQ(read.failure, "");
        EXPECT_EQ(read.facts, 1);
        ASSERT_EQ(read.tids.size(), 20'000u) << first;
        for (std::uint64_t i = 0; i < read.tids.size(); ++i)
            ASSERT_EQ(read.tids[i], i + 1);
    }
}

TEST(FrameWriter, SaysSoWhenAnotherProcessTellsSomethingElse) {
    EXPECT_THAT(read_of_two(5'000, 20'000, 10).failure, HasSubstr("something else than babeltrace2"));
    EXPECT_THAT(read_of_two(5'000, 20).failure, HasSubstr("something else than babeltrace2"));
}

TEST(FrameWriter, PassesTheFailureOfTheSecondReaderOn) {
    const Read read = read_all([](FrameWriter& writer) {
        writer.may_come_again();
        tell(writer, 5'000);
        writer.again();
        tell(writer, 6'000);
        throw Error{ErrorKind::content, "packet 7 is odd"};
    });
    EXPECT_EQ(read.tids.size(), 6'000u);
    EXPECT_EQ(read.failure, "packet 7 is odd");
}

TEST(FrameWriter, KeepsTheCauseWhenTheSecondReaderFailsBeforeItHasGivenWhatTheFirstOneGave) {
    const Read read = read_all([](FrameWriter& writer) {
        writer.may_come_again();
        tell(writer, 5'000);
        writer.again();
        tell(writer, 20);
        throw Error{ErrorKind::content, "packet 7 is odd"};
    });
    EXPECT_THAT(read.failure, HasSubstr("something else than babeltrace2"));
    EXPECT_THAT(read.failure, HasSubstr(": packet 7 is odd"));
}

TEST(FrameWriter, SaysSoOnceWhenTheReadersDoNotAgree) {
    const auto with = [](std::uint64_t second, std::uint64_t odd_one) {
        return read_all([=](FrameWriter& writer) {
                   writer.may_come_again();
                   tell(writer, 5'000);
                   writer.again();
                   tell(writer, second, odd_one);
               })
            .failure;
    };
    for (const std::string& failure : {with(20'000, 10), with(20, ~std::uint64_t{0})}) {
        EXPECT_THAT(failure, HasSubstr("something else than babeltrace2"));
        EXPECT_EQ(failure.find("something else"), failure.rfind("something else")) << failure;
    }
}

}  // namespace
}  // namespace tiffany::ctf
