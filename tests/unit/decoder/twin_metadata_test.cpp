#include "twin_metadata.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "../temporary_folder.hpp"
#include "metadata_child.hpp"
#include "packet_layout.hpp"
#include "plain_metadata.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;
using testing::IsEmpty;

constexpr const char* kUuid = "00112233-4455-6677-8899-aabbccddeeff";

class TwinsMetadata : public testing::Test {
  protected:
    std::string trace(const char* name, const std::string& metadata) {
        fs::create_directory(home_.path() / name);
        std::ofstream{home_.path() / name / "metadata", std::ios::binary} << metadata;
        traces_.push_back((home_.path() / name).string());
        return traces_.back();
    }
    /// A stream of the trace that has kUuid.
    static void add_stream(const std::string& trace) {
        RawPacket packet{};
        packet.magic = kStreamMagic;
        for (unsigned i = 0; i < packet.uuid.size(); ++i)
            packet.uuid[i] = static_cast<unsigned char>(i * 0x11);
        std::ofstream{fs::path{trace} / "chan_0", std::ios::binary}.write(reinterpret_cast<const char*>(&packet),
                                                                          kSameInAllPackets);
    }
    std::vector<TwinMetadata> found() const { return metadata_of_twins(traces_, std::chrono::seconds{60}); }

    const tiffany::test::TemporaryFolder home_;
    std::vector<std::string> traces_;
};

TEST_F(TwinsMetadata, IsThatOfTracesWithOneUuidWhoeverTellsIt) {
    const std::string text = PlainMetadata{}.text();
    std::string others = text;
    others.replace(others.find(kUuid), 4, "ffff");
    trace("another", others);
    const std::string cut = trace("cut", "no metadata");
    add_stream(cut);
    trace("none", "");
    fs::remove(home_.path() / "none/metadata");
    const std::string whole = trace("whole", text);
    const std::vector<TwinMetadata> twins = found();
    ASSERT_EQ(twins.size(), 2U);
    EXPECT_EQ(twins[0].trace, cut);
    EXPECT_EQ(twins[0].text, "");
    EXPECT_EQ(twins[1].trace, whole);
    EXPECT_EQ(twins[1].text, text);
    for (const TwinMetadata& twin : twins)
        EXPECT_EQ(twin.uuid, kUuid);
}

TEST_F(TwinsMetadata, IsNotReadWhereNoneIsATwin) {
    trace("one", PlainMetadata{}.text());
    trace("empty", "");
    trace("empty too", "");
    EXPECT_THAT(found(), IsEmpty());
}

std::size_t told_by(const std::function<void(FrameWriter&)>& work) {
    constexpr std::size_t kMost = 2;
    constexpr std::size_t kMostText = 10;
    return MetadataChild{"some", work, std::chrono::seconds{60}, kMost, kMostText}.all().size();
}

TEST(MetadataChild, IsBelievedWhatItHasToTell) {
    EXPECT_EQ(told_by([](FrameWriter& writer) {
                  writer.metadata(kUuid, "ten bytes.");
                  writer.metadata("", "");
              }),
              2U);
}

/// Its parent would keep all of that.
TEST(MetadataChild, ThatTellsMoreIsNotBelieved) {
    EXPECT_EQ(told_by([](FrameWriter& writer) {
                  for (int i = 0; i < 3; ++i)
                      writer.metadata(kUuid, "");
              }),
              0U)
        << "of more traces than there are";
    EXPECT_EQ(told_by([](FrameWriter& writer) { writer.metadata(kUuid, "eleven byte"); }), 0U);
    EXPECT_EQ(told_by([](FrameWriter& writer) { writer.metadata(std::string(37, '0'), ""); }), 0U);
    EXPECT_EQ(told_by([](FrameWriter& writer) {
                  writer.metadata(kUuid, "");
                  writer.record({});
              }),
              0U)
        << "what is in the trace";
}

}  // namespace
}  // namespace tiffany::ctf
