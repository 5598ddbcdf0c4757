#include "salvage.hpp"

#include <endian.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "../temporary_folder.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kIndexHeader = 16;
constexpr std::uint64_t kIndexEntry = 72;
constexpr std::uint64_t kPacket = 100;

/// A stream of packets of 100 bytes, the last of which may be cut, and an index of packets as LTTng writes it: (begin,
/// bytes) of each.
class HalfPackets : public testing::Test {
  protected:
    using Packets = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

    void write_stream(std::uint64_t bytes) const {
        std::ofstream file{stream_, std::ios::binary};
        for (std::uint64_t at = 0; at < bytes; at += kPacket) {
            constexpr std::size_t kSizesAt = 48;
            std::string packet(kPacket, '\0');
            const std::uint32_t magic = 0xC1FC1FC1;
            packet.replace(0, sizeof magic, reinterpret_cast<const char*>(&magic), sizeof magic);
            for (const std::size_t size_at : {kSizesAt, kSizesAt + 8}) {
                const std::uint64_t bits = kPacket * 8;
                packet.replace(size_at, sizeof bits, reinterpret_cast<const char*>(&bits), sizeof bits);
            }
            file << packet;
        }
        file.close();
        fs::resize_file(stream_, bytes);
    }
    void write_index(const Packets& packets) const {
        fs::create_directories(index_.parent_path());
        std::ofstream file{index_, std::ios::binary};
        for (const std::uint32_t word : {0xC1F1DCC1U, 1U, 1U, static_cast<std::uint32_t>(kIndexEntry)}) {
            const std::uint32_t big = htobe32(word);
            file.write(reinterpret_cast<const char*>(&big), sizeof big);
        }
        for (const auto& [begin, bytes] : packets)
            for (const std::uint64_t word :
                 std::initializer_list<std::uint64_t>{begin, bytes * 8, 0, 0, 0, 0, 0, 0, 0}) {
                const std::uint64_t big = htobe64(word);
                file.write(reinterpret_cast<const char*>(&big), sizeof big);
            }
    }
    void expect_left(std::uint64_t stream, std::size_t entries) const {
        EXPECT_EQ(fs::file_size(stream_), stream);
        EXPECT_EQ(fs::file_size(index_), kIndexHeader + entries * kIndexEntry);
    }

    test::TemporaryFolder folder_;
    fs::path stream_ = folder_.path() / "transitions_0";
    fs::path index_ = folder_.path() / "index" / "transitions_0.idx";
};

TEST_F(HalfPackets, AWholeStreamStaysAsItIs) {
    write_stream(200);
    write_index({{0, 100}, {100, 100}});
    EXPECT_FALSE(cut_half_packets(folder_.path()));
    expect_left(200, 2);
}

TEST_F(HalfPackets, OneThatTheIndexDoesNotCountIsCutOff) {
    write_stream(270);
    write_index({{0, 100}, {100, 100}});
    EXPECT_TRUE(cut_half_packets(folder_.path()));
    expect_left(200, 2);
}

TEST_F(HalfPackets, OneThatTheIndexCountsInThePlaceOfTheOneBeforeIsCutOffInBoth) {
    write_stream(270);
    write_index({{0, 100}, {100, 100}, {100, 100}});  // the disk was full
    EXPECT_TRUE(cut_half_packets(folder_.path()));
    expect_left(200, 2);
}

TEST_F(HalfPackets, OneThatTheIndexCountsAndTheStreamHasNothingOfGoesFromTheIndex) {
    write_stream(200);
    write_index({{0, 100}, {100, 100}, {200, 100}});
    EXPECT_TRUE(cut_half_packets(folder_.path()));
    expect_left(200, 2);
}

TEST_F(HalfPackets, AWholeOneThatTheIndexDoesNotCountYetStays) {
    write_stream(300);
    write_index({{0, 100}, {100, 100}});
    EXPECT_FALSE(cut_half_packets(folder_.path()));
    expect_left(300, 2);
}

TEST_F(HalfPackets, HalfAnEntryGoesFromTheIndex) {
    write_stream(200);
    write_index({{0, 100}, {100, 100}});
    fs::resize_file(index_, kIndexHeader + kIndexEntry + 5);
    EXPECT_TRUE(cut_half_packets(folder_.path()));
    expect_left(200, 1);
}

TEST_F(HalfPackets, TheFirstOneLeavesNothing) {
    write_stream(70);
    write_index({});
    EXPECT_TRUE(cut_half_packets(folder_.path()));
    expect_left(0, 0);
}

TEST_F(HalfPackets, WhereTheIndexGoesOnBehindOneNothingIsCut) {
    write_stream(400);
    write_index({{0, 100}, {170, 100}, {270, 100}});
    EXPECT_FALSE(cut_half_packets(folder_.path()));
    expect_left(400, 3);
}

TEST_F(HalfPackets, WithoutAnIndexNothingIsCut) {
    write_stream(270);
    EXPECT_FALSE(cut_half_packets(folder_.path()));
    write_index({});
    fs::resize_file(index_, 0);
    EXPECT_FALSE(cut_half_packets(folder_.path()));
    EXPECT_EQ(fs::file_size(stream_), 270U);
}

}  // namespace
}  // namespace tiffany::paltrace
