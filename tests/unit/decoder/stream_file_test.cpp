#include "stream_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "../temporary_folder.hpp"
#include "plain_metadata.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

template <typename Number>
void append(std::string& to, Number value) {
    to.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A packet without an event, of the trace that PlainMetadata is of.
std::string empty_packet(std::uint64_t begin, std::uint64_t end, std::uint64_t number) {
    constexpr std::uint64_t kBits = PacketHeader::kBytes * 8;
    std::string made;
    append(made, std::uint32_t{0xC1FC1FC1});
    for (unsigned i = 0; i < 16; ++i)
        append(made, static_cast<std::uint8_t>(i * 0x11));
    append(made, std::uint32_t{0});
    for (const std::uint64_t field : {std::uint64_t{0}, begin, end, kBits, kBits, number, std::uint64_t{0}})
        append(made, field);
    append(made, std::uint32_t{0});
    return made;
}

class PlainStreams : public testing::Test {
  protected:
    std::string why_not_plain(const std::string& stream) const {
        std::ofstream{home_.path() / "chan_0", std::ios::binary} << stream;
        const TraceLayout trace = lay_out(tsdl::parse(PlainMetadata{}.text()), false);
        try {
            find_streams(home_.path().string(), trace, {}, [] {});
        } catch (const NotPlain& not_plain) {
            return not_plain.why;
        }
        return "plain";
    }

    const tiffany::test::TemporaryFolder home_;
};

TEST_F(PlainStreams, AreNotIfALatePacketEndsAfter2262) {
    constexpr std::uint64_t kAfter2262 = std::uint64_t{1} << 63U;
    EXPECT_EQ(why_not_plain(empty_packet(1, 2, 0) + empty_packet(3, kAfter2262 - 2000, 1)), "plain");
    EXPECT_THAT(why_not_plain(empty_packet(1, 2, 0) + empty_packet(3, kAfter2262, 1)),
                HasSubstr("packet 1 at byte 84: a time stamp lies after 2262"));
}

}  // namespace
}  // namespace tiffany::ctf
