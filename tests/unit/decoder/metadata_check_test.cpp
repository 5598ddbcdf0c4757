#include "metadata_check.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <tiffany/pal/error.hpp>
#include <vector>

namespace tiffany::ctf {
namespace {

void put(std::string& bytes, std::uint32_t value, bool swap) {
    for (unsigned i = 0; i < 4; ++i)
        bytes.push_back(static_cast<char>(value >> 8 * (swap ? 3 - i : i)));
}

std::string packet(const std::string& text, std::size_t size, bool swap = false) {
    std::string bytes;
    put(bytes, 0x75D11D57, swap);
    bytes.append(16, 'u');
    put(bytes, 0, swap);
    put(bytes, static_cast<std::uint32_t>((37 + text.size()) * 8), swap);
    put(bytes, static_cast<std::uint32_t>(size * 8), swap);
    bytes.append({0, 0, 0, 1, 8});
    bytes += text;
    bytes.resize(size);
    return bytes;
}

std::string failure(const std::string& bytes) {
    try {
        metadata_text(bytes);
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::content);
        return error.one_line();
    }
    return "";
}

TEST(MetadataText, JoinsPacketsWithoutTheirPadding) {
    EXPECT_EQ(metadata_text(packet("/* CTF 1.8 */", 64) + packet(" trace {};", 50)), "/* CTF 1.8 */ trace {};");
}

TEST(MetadataText, TakesAPacketThatIsExactlyFull) {
    EXPECT_EQ(metadata_text(packet("abc", 40)), "abc");
}

TEST(MetadataText, TakesTheOtherByteOrder) {
    EXPECT_EQ(metadata_text(packet("abc", 64, true)), "abc");
}

TEST(MetadataText, TakesPlainText) {
    EXPECT_EQ(metadata_text("/* CTF 1.8 */ trace {};"), "/* CTF 1.8 */ trace {};");
}

TEST(MetadataText, RefusesEveryCutThatIsNotBetweenPackets) {
    const std::string whole = packet("one", 64) + packet("two", 48);
    for (std::size_t size = 0; size < whole.size(); ++size)
        EXPECT_EQ(failure(whole.substr(0, size)).empty(), size == 64) << "cut at byte " << size;
}

TEST(MetadataText, NamesThePacketAndWhatIsMissing) {
    EXPECT_EQ(failure((packet("one", 64) + packet("two", 48)).substr(0, 100)),
              "packet 1 at byte 64: its header is cut: expected 37 bytes, found 36");
    EXPECT_EQ(failure((packet("one", 64) + packet("two", 48)).substr(0, 111)),
              "packet 1 at byte 64: it is cut: expected 48 bytes, found 47");
}

TEST(MetadataText, RefusesSizesThatMakeBabeltraceLoop) {
    std::string less_than_header = packet("one", 64);
    less_than_header[24] = 36 * 8 & 0xff;
    less_than_header[25] = 36 * 8 >> 8;
    EXPECT_NE(failure(less_than_header), "");
    std::string more_than_packet = packet("one", 64);
    more_than_packet[25] = 0x7f;
    EXPECT_NE(failure(more_than_packet), "");
    std::string no_packet_size = packet("one", 64);
    no_packet_size[28] = no_packet_size[29] = 0;
    EXPECT_NE(failure(no_packet_size), "");
}

TEST(MetadataText, RefusesWhatBabeltraceCannotRead) {
    const auto with = [](std::size_t at, char value) {
        std::string bytes = packet("abc", 64);
        bytes[at] = value;
        return failure(bytes);
    };
    for (const std::size_t at : {20U, 23U, 32U, 33U, 34U})  // checksum, and how it is compressed, encrypted, summed
        EXPECT_NE(with(at, 1).find("has a checksum"), std::string::npos) << at;
    EXPECT_NE(with(35, 2).find("not of CTF 1.8"), std::string::npos);
    EXPECT_NE(with(36, 9).find("not of CTF 1.8"), std::string::npos);
}

TEST(MetadataText, RefusesWhatIsNoMetadata) {
    EXPECT_EQ(failure("hello"), "it is no CTF metadata");
    EXPECT_EQ(failure(""), "it is empty");
    EXPECT_EQ(failure(std::string("/* CTF 1.8 */\0", 14)), "it is text with a NUL in it");
}

}  // namespace
}  // namespace tiffany::ctf
