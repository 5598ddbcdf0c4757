// A decoder that was taken over names streams, and sends indexes, as it likes.
#include "bounded_trace.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "../temporary_folder.hpp"
#include "index_layout.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

std::string content_of(const fs::path& path) {
    std::ifstream in{path, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}

/// A trace with a secret beside it.
class Bounded : public testing::Test {
  protected:
    Bounded() {
        fs::create_directories(trace_ / "index");
        for (const char* file :
             {"metadata", "whole", "cut", "nothing", "index/whole.idx", "index/cut.idx", "../secret"})
            std::ofstream{trace_ / file} << "the trace's " << file << std::string(100, '.');
    }

    const tiffany::test::TemporaryFolder home_;
    const fs::path trace_ = home_.path() / "trace";
};

TEST_F(Bounded, HasIndexesOfItsOwnForWhatIsCutAndLinksToTheRest) {
    fs::path made;
    {
        BoundedTrace bounded{trace_.string()};
        bounded.add("nothing", "");
        bounded.add("cut", "");
        bounded.add("cut", "one, ");
        bounded.add("cut", "two");
        bounded.link_all();
        made = bounded.directory();
        EXPECT_EQ(content_of(made / "index/cut.idx"), "one, two");
        EXPECT_EQ(fs::read_symlink(made / "cut"), trace_ / "cut");
        EXPECT_EQ(fs::read_symlink(made / "metadata"), trace_ / "metadata");
        EXPECT_EQ(fs::read_symlink(made / "index/whole.idx"), trace_ / "index/whole.idx");
        EXPECT_FALSE(fs::exists(fs::symlink_status(made / "nothing"))) << "no packet of it is whole";
    }
    EXPECT_FALSE(fs::exists(made));
    EXPECT_EQ(content_of(trace_ / "index/cut.idx").find("the trace's"), 0U) << "it stays what it was";
}

TEST_F(Bounded, IsOfFilesOfTheTraceAlone) {
    BoundedTrace bounded{trace_.string()};
    for (const char* stream : {"../secret", "index/whole.idx", "index", ".", "..", "", "none", "./cut"})
        EXPECT_THROW(bounded.add(stream, "some"), Error) << stream;
    EXPECT_THROW(bounded.add((home_.path() / "secret").string(), "some"), Error);
    EXPECT_THROW(bounded.add(std::string_view{"cut\0x", 5}, "some"), Error) << "the file is another one's";
    EXPECT_TRUE(fs::is_empty(fs::path{bounded.directory()} / "index"));
}

TEST_F(Bounded, HasAnIndexOfNoMorePacketsThanAStreamHasRoomFor) {
    BoundedTrace bounded{trace_.string()};
    const std::string one_packet(sizeof(IndexHeader) + sizeof(IndexEntry), 'x');  // of some 100 bytes
    bounded.add("cut", one_packet);
    EXPECT_THROW(bounded.add("cut", "x"), Error);
}

TEST_F(Bounded, HasNoMoreOfStreamsThatAreAllHolesThanItMayHaveOfAllTogether) {
    for (const char* stream : {"cut", "nothing"})
        fs::resize_file(trace_ / stream, std::uintmax_t{1} << 40U);
    BoundedTrace bounded{trace_.string(), 8};
    bounded.add("cut", "four");
    bounded.add("nothing", "four");
    try {
        bounded.add("cut", "x");
        FAIL() << "nine bytes";
    } catch (const Error& error) {
        EXPECT_EQ(error.one_line(), "the streams that are cut have more whole packets than indexes are made for");
    }
}

TEST_F(Bounded, HasNoMoreThanItIsToHaveOfOneStream) {
    constexpr std::size_t kTooMuch = BoundedTrace::kMostIndexBytes + 1;
    fs::resize_file(trace_ / "cut", std::uintmax_t{1} << 40U);
    fs::resize_file(home_.path() / "secret", kTooMuch);
    const int file = ::open((home_.path() / "secret").c_str(), O_RDONLY | O_CLOEXEC);
    void* const bytes = ::mmap(nullptr, kTooMuch, PROT_READ, MAP_PRIVATE, file, 0);  // nobody has to read it
    ::close(file);
    ASSERT_NE(bytes, MAP_FAILED);
    BoundedTrace bounded{trace_.string()};
    EXPECT_THROW(bounded.add("cut", {static_cast<const char*>(bytes), kTooMuch}), Error);
    ::munmap(bytes, kTooMuch);
}

}  // namespace
}  // namespace tiffany::ctf
