// A decoder that was taken over by the trace that it decodes sends whatever it likes.
#include "frames.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <string>

#include "child_source.hpp"
#include "unheard.hpp"

namespace tiffany::ctf {
namespace {

using testing::HasSubstr;

template <typename Number>
std::string raw(Number value) {
    std::string made(sizeof value, '\0');
    std::memcpy(made.data(), &value, sizeof value);
    return made;
}

/// What an error of the reader says; "taken" if it found no fault.
std::string frame_failure(const std::string& frame) {
    test::Unheard unheard;
    ChildHandler nothing;
    pal::Record record;
    try {
        take_frame(frame, record, unheard, nothing);
    } catch (const Error& error) {
        return error.one_line();
    }
    return "taken";
}

constexpr std::uint8_t kFactsFrame = 0;
constexpr std::uint8_t kRecordFrame = 1;
constexpr std::uint8_t kFailedFrame = 10;
constexpr std::uint8_t kBlockFrame = 12;
constexpr std::uint8_t kDigestedFrame = 13;
constexpr std::uint8_t kLeftFrame = 14;
constexpr std::uint8_t kMetadataFrame = 16;
constexpr std::uint8_t kIndexFrame = 17;
constexpr std::uint8_t kBoundsFrame = 18;
constexpr std::uint8_t kNoFrame = 19;

TEST(Frames, OfAnEventThatThereIsNotAreRefused) {
    const std::string rest(1000, '\0');
    EXPECT_EQ(frame_failure(raw(kRecordFrame) + raw(std::uint8_t{0}) + rest), "taken");
    for (unsigned number = kEvents; number < 0xff; ++number)
        EXPECT_THAT(frame_failure(raw(kRecordFrame) + raw(static_cast<std::uint8_t>(number)) + rest),
                    HasSubstr("a broken message"))
            << number;
    EXPECT_EQ(frame_failure(raw(kRecordFrame) + raw(std::uint8_t{0xff}) + rest), "taken") << "one that is not known";
}

TEST(Frames, OfAKindThatThereIsNotAreRefused) {
    for (unsigned kind = kNoFrame; kind <= 0xff; ++kind)
        EXPECT_THAT(frame_failure(raw(static_cast<std::uint8_t>(kind))), HasSubstr("unknown kind")) << kind;
    EXPECT_THAT(frame_failure(""), HasSubstr("a broken message"));
}

TEST(Frames, OfADigestAreRefusedWhereRecordsAreAwaited) {
    EXPECT_THAT(frame_failure(raw(kBlockFrame) + raw(std::uint32_t{7})), HasSubstr("a broken message"));
    EXPECT_THAT(frame_failure(raw(kDigestedFrame) + std::string(1000, '\0')), HasSubstr("a broken message"));
    EXPECT_THAT(frame_failure(raw(kLeftFrame)), HasSubstr("a broken message"));
}

TEST(Frames, OfATracesFilesAreRefusedWhereNobodyAskedForThem) {
    for (const std::uint8_t kind : {kMetadataFrame, kIndexFrame, kBoundsFrame})
        EXPECT_THAT(frame_failure(raw(kind) + std::string(100, '\0')), HasSubstr("a broken message")) << int{kind};
}

TEST(Frames, OfAChildThatReadsNothingAreItsOwnAlone) {
    NothingRead nothing;
    ChildHandler starter;
    pal::Record record;
    for (std::uint8_t kind = 0; kind < kNoFrame; ++kind) {
        constexpr std::uint8_t kAliveFrame = 9;
        constexpr std::uint8_t kFinishedFrame = 11;
        if (kind == kRecordFrame || kind == kAliveFrame || kind == kFinishedFrame) continue;
        EXPECT_THROW(take_frame(raw(kind) + std::string(1000, '\0'), record, nothing, starter), Error) << int{kind};
    }
}

TEST(Frames, ThatSayTheyHoldMoreThanIsThereCostNoMemoryForIt) {
    // as many strings as would take 128 GiB
    const std::string many = raw(~std::uint32_t{0});
    EXPECT_THAT(frame_failure(raw(kFactsFrame) + std::string(3, '\1') + many), HasSubstr("a broken message"));
    EXPECT_THAT(frame_failure(raw(kFailedFrame) + raw(std::uint8_t{0}) + many), HasSubstr("a broken message"));
}

TEST(Frames, HaveATruthThatIsOneOfTwo) {
    test::Unheard heard;
    ChildHandler nothing;
    pal::Record record;
    take_frame(raw(kFactsFrame) + std::string(3, '\2') + std::string(12, '\0'), record, heard, nothing);
    EXPECT_EQ(static_cast<int>(heard.tiffany), 1);
}

TEST(Frames, OfAnErrorHaveAKindOfErrorAndFewSentences) {
    EXPECT_EQ(
        frame_failure(raw(kFailedFrame) + raw(std::uint8_t{0}) + raw(std::uint32_t{1}) + raw(std::uint32_t{2}) + "no"),
        "no");
    EXPECT_THAT(frame_failure(raw(kFailedFrame) + raw(std::uint8_t{3}) + raw(std::uint32_t{0})),
                HasSubstr("a broken message"));
    constexpr std::uint32_t kMany = 1'000'000;  // each in front of the others: quadratic
    EXPECT_THAT(frame_failure(raw(kFailedFrame) + raw(std::uint8_t{0}) + raw(kMany) + std::string(4 * kMany, '\0')),
                HasSubstr("a broken message"));
}

TEST(Frames, ThatAreTooLongEndTheirDecoder) {
    ChildSource source{"run1",
                       [](FrameWriter&) {
                           constexpr int kPipe = 3;  // where a decoder's is
                           const std::uint32_t size = kMaxFrame + 1;
                           if (::write(kPipe, &size, sizeof size) > 0) ::pause();
                       },
                       std::chrono::seconds{60}};
    test::Unheard unheard;
    pal::Record record;
    try {
        source.next(record, unheard);
        FAIL() << "it was waited for";
    } catch (const Error& error) {
        EXPECT_EQ(error.one_line(), "cannot decode run1: its decoder announced a message of 67108865 bytes");
    }
}

}  // namespace
}  // namespace tiffany::ctf
