#include "salvage.hpp"

#include <endian.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <utility>
#include <vector>

#include "../temporary_folder.hpp"

namespace tiffany::paltrace {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kIndexHeader = 16;
constexpr std::uint64_t kIndexEntry = 32;

/// A stream of so many bytes, and an index of packets as LTTng writes it: (begin, bytes) of each.
class HalfPackets : public testing::Test {
  protected:
    using Packets = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

    void write_stream(std::uint64_t bytes) const {
        std::ofstream{stream_}.close();
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
            for (const std::uint64_t word : {begin, bytes * 8, bytes * 8, std::uint64_t{0}}) {
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
