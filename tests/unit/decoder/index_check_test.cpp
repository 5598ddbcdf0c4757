#include "index_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <tiffany/pal/error.hpp>
#include <utility>
#include <vector>

#include "../temporary_folder.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string big_endian(std::uint64_t value, std::size_t bytes) {
    std::string made;
    for (std::size_t i = bytes; i-- > 0;)
        made.push_back(static_cast<char>(value >> 8 * i));
    return made;
}

/// A stream's index, as LTTng writes version 1.1; packets are (offset, bytes).
struct Index {
    std::uint32_t magic = 0xC1F1DCC1;
    std::uint32_t major = 1;
    std::uint32_t minor = 1;
    std::uint32_t entry = 72;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> packets;

    std::string bytes() const {
        std::string made = big_endian(magic, 4) + big_endian(major, 4) + big_endian(minor, 4) + big_endian(entry, 4);
        for (const auto& [offset, size] : packets) {
            std::string one = big_endian(offset, 8) + big_endian(size * 8, 8);
            one.resize(entry);
            made += one;
        }
        return made;
    }
};

class IndexCheck : public testing::Test {
  protected:
    IndexCheck() { fs::create_directory(home_.path() / "index"); }

    /// What is said of it beside a stream of 300 bytes; empty if nothing.
    std::string said_of(const std::string& bytes) {
        std::ofstream{home_.path() / "index/chan_0.idx", std::ios::binary} << bytes;
        return said();
    }
    std::string said() {
        try {
            check_index((home_.path() / "chan_0").string(), 300, [] {});
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::content);
            EXPECT_THAT(error.one_line(),
                        HasSubstr("cannot read index " + home_.path().string() + "/index/chan_0.idx: "));
            return error.one_line();
        }
        return "";
    }

    const tiffany::test::TemporaryFolder home_;
};

TEST_F(IndexCheck, FindsNoFaultWhereThePacketsLieOneBehindTheOther) {
    EXPECT_EQ(said(), "") << "there need be none";
    EXPECT_EQ(said_of(Index{.packets = {{0, 100}, {100, 200}}}.bytes()), "");
    EXPECT_EQ(said_of(Index{.minor = 0, .entry = 56, .packets = {{0, 300}}}.bytes()), "");
    EXPECT_EQ(said_of(Index{.minor = 2, .entry = 96, .packets = {{0, 300}}}.bytes()), "") << "of a later version";
}

TEST_F(IndexCheck, RefusesAPacketThatLiesElsewhere) {
    EXPECT_THAT(said_of(Index{.packets = {{0, 100}, {101, 199}}}.bytes()),
                HasSubstr("packet 1: expected at byte 100, found at 101"));
    EXPECT_THAT(said_of(Index{.packets = {{8, 300}}}.bytes()), HasSubstr("packet 0: expected at byte 0, found at 8"));
    EXPECT_THAT(said_of(Index{.packets = {{0, 301}}}.bytes()), HasSubstr("behind the end of the stream"));
    EXPECT_THAT(said_of(Index{.packets = {{0, 200}, {200, ~std::uint64_t{0} / 8 - 99}}}.bytes()),
                HasSubstr("behind the end of the stream"))
        << "sums that wrap";
}

TEST_F(IndexCheck, RefusesEntriesThatDivideByZeroOrAreReadBehindTheirEnd) {
    EXPECT_THAT(said_of(Index{.entry = 0, .packets = {}}.bytes()), HasSubstr("a wrong size: 0 bytes"));
    EXPECT_THAT(said_of(Index{.entry = 71, .packets = {}}.bytes()), HasSubstr("a wrong size: 71 bytes"));
    EXPECT_THAT(said_of(Index{.minor = 0, .entry = 55, .packets = {}}.bytes()), HasSubstr("a wrong size: 55 bytes"));
    EXPECT_THAT(said_of(Index{.entry = 1U << 31, .packets = {}}.bytes()), HasSubstr("a wrong size"));
}

TEST_F(IndexCheck, LeavesToBabeltraceWhatItDoesNotUse) {
    const Index wrong{.packets = {{8, 100}}};
    for (const std::size_t size : {0, 1, 15, 40})
        EXPECT_EQ(said_of(wrong.bytes().substr(0, size)), "") << size;
    EXPECT_EQ(said_of(Index{.magic = 1, .packets = wrong.packets}.bytes()), "");
    EXPECT_EQ(said_of(Index{.major = 2, .packets = wrong.packets}.bytes()), "");
    EXPECT_EQ(said_of(wrong.bytes() + "x"), "");
}

TEST_F(IndexCheck, TellsWhetherItCountsOneMoreThanTheWholePackets) {
    const auto end_of = [this](const std::string& bytes, std::uint64_t whole) {
        std::ofstream{home_.path() / "index/chan_0.idx", std::ios::binary} << bytes;
        const IndexEnd end = check_index((home_.path() / "chan_0").string(), 300, whole, [] {});
        return std::to_string((end.bytes - 16) / 72) + (end.counts_more ? " and more" : "");
    };
    const Index two{.packets = {{0, 100}, {100, 100}}};
    EXPECT_EQ(end_of(two.bytes(), 200), "2");
    EXPECT_EQ(end_of(two.bytes().substr(0, 16 + 72 + 71), 100), "1");
    for (const std::uint64_t size : {101, 500})
        EXPECT_EQ(end_of(Index{.packets = {{0, 100}, {100, 100}, {200, size}}}.bytes(), 200), "2 and more");
    EXPECT_EQ(end_of(Index{.packets = {{0, 100}, {100, 100}, {100, 100}}}.bytes(), 200), "2 and more")
        << "as after a full disk";
    EXPECT_EQ(end_of(Index{.packets = {{0, 150}, {150, 50}, {100, 100}, {101, 99}}}.bytes(), 200), "2 and more")
        << "of another size than the last";
    EXPECT_EQ(end_of(Index{.packets = {{0, 301}}}.bytes(), 0), "0 and more");
    EXPECT_EQ(end_of(Index{.packets = {{0, 200}, {200, 500}, {700, 500}}}.bytes(), 200), "1 and more");
    EXPECT_THROW(end_of(Index{.packets = {{0, 100}, {100, 100}, {200, 100}}}.bytes(), 200), Error) << "it is whole";
    EXPECT_THROW(end_of(Index{.packets = {{0, 100}, {0, 100}, {200, 500}}}.bytes(), 200), Error) << "in the middle";
    EXPECT_THROW(end_of(Index{.packets = {{0, 200}, {0, 0}}}.bytes(), 200), Error) << "of no packet";
}

TEST_F(IndexCheck, DoesNotWaitForAFifo) {
    ASSERT_EQ(::mkfifo((home_.path() / "index/chan_0.idx").c_str(), 0600), 0);
    EXPECT_THAT(said(), HasSubstr("no regular file"));
}

}  // namespace
}  // namespace tiffany::ctf
