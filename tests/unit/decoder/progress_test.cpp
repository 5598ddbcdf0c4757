// What looks at a trace before its first record gives signs of life: on a slow disk that takes longer than is waited
// for a process that gives none.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "../temporary_folder.hpp"
#include "frame_kinds.hpp"
#include "index_check.hpp"
#include "metadata_check.hpp"
#include "native_reader.hpp"
#include "plain_metadata.hpp"
#include "read_trace.hpp"
#include "stream_end.hpp"
#include "tsdl.hpp"
#include "whole_index.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

constexpr int kPackets = 1000;

/// A trace with one stream, of packets without an event.
class Progress : public testing::Test {
  protected:
    Progress() {
        std::ofstream{home_.path() / "metadata", std::ios::binary} << PlainMetadata{}.text();
        std::ofstream out{stream_, std::ios::binary};
        for (std::uint64_t number = 0; number < kPackets; ++number)
            put(out, number, sizeof(RawPacket));
    }

    static void put(std::ostream& out, std::uint64_t number, std::uint64_t bytes) {
        RawPacket packet{};
        packet.magic = kStreamMagic;
        for (unsigned i = 0; i < packet.uuid.size(); ++i)
            packet.uuid[i] = static_cast<unsigned char>(i * 0x11);
        packet.begin = packet.end = number;
        packet.content_bits = packet.packet_bits = bytes * 8;
        packet.number = number;
        out.write(reinterpret_cast<const char*>(&packet), sizeof packet);
    }
    std::function<void()> counting() {
        return [this] { ++seen_; };
    }

    const tiffany::test::TemporaryFolder home_;
    const fs::path stream_ = home_.path() / "chan_0";
    int seen_ = 0;
};

TEST_F(Progress, IsMadeAtEachPacketWhereTheEndOfAStreamIsLookedFor) {
    EXPECT_EQ(find_stream_end(stream_.string(), counting()).packets, static_cast<std::size_t>(kPackets));
    EXPECT_GE(seen_, kPackets);
}

TEST_F(Progress, IsMadeBehindTheLastWholePacketAtEachMebibyte) {
    constexpr std::uint64_t kBehind = std::uint64_t{100} << 20U;
    std::ofstream out{stream_, std::ios::binary | std::ios::app};
    put(out, kPackets, 2 * kBehind);
    out.close();
    fs::resize_file(stream_, fs::file_size(stream_) + kBehind);  // a hole
    EXPECT_TRUE(find_stream_end(stream_.string(), counting()).is_cut);
    EXPECT_GE(seen_, kPackets + 64) << "so far another packet is looked for";
}

TEST_F(Progress, IsMadeAtEachPacketOfAnIndex) {
    fs::create_directory(home_.path() / "index");
    std::ofstream out{home_.path() / "index/chan_0.idx", std::ios::binary};
    write_whole_index(
        find_stream_end(stream_.string(), [] {}), [&out](std::string_view bytes) { out << bytes; }, counting());
    out.close();
    EXPECT_GE(seen_, kPackets) << "that is written";
    seen_ = 0;
    check_index(stream_.string(), fs::file_size(stream_), counting());
    EXPECT_GE(seen_, kPackets) << "that is read";
}

TEST_F(Progress, IsMadeWhereATraceIsCheckedAndOpened) {
    const CheckedFiles checked = check_files(home_.path().string(), counting());
    EXPECT_GT(seen_, kPackets) << "the metadata, too";
    seen_ = 0;
    RecordPool pool;
    const NativeReader reader{home_.path().string(), checked, false, pool, counting()};
    EXPECT_GE(seen_, kPackets);
}

TEST_F(Progress, IsWhatADecoderTellsFirst) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        ::close(ends[0]);
        FrameWriter writer{ends[1]};
        const std::string trace = home_.path().string();
        read_trace({trace, trace, {}}, {.reader = Reader::native}, writer);
        writer.finished();
        ::_exit(0);
    }
    ::close(ends[1]);
    struct [[gnu::packed]] {
        std::uint32_t size;
        std::uint8_t kind;
    } first{};
    EXPECT_EQ(::read(ends[0], &first, sizeof first), static_cast<ssize_t>(sizeof first));
    EXPECT_EQ(std::uint32_t{first.size}, 1U);
    EXPECT_EQ(std::uint8_t{first.kind}, kAlive);
    std::array<char, 4096> rest{};
    while (::read(ends[0], rest.data(), rest.size()) > 0) {
    }
    ::close(ends[0]);
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace tiffany::ctf
