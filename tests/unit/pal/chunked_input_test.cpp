// A text that is read by pieces, and by a thread of its own, is the file's.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <tiffany/pal/chunked_input.hpp>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/output.hpp>

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <thread>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

constexpr std::size_t kRoom = 100'000;
constexpr std::size_t kPadding = 64;

/// So long that a thread reads it, and no piece of it like another.
std::string long_text() {
    std::string text;
    for (std::size_t i = 0; text.size() < 3'000'000; ++i)
        text += std::to_string(i * 7919) + ',';
    return text;
}

/// All of the input, taken so that at most `most_left` bytes are left when more is asked for.
std::string all_of(ChunkedInput& input, std::size_t most_left) {
    std::string all;
    for (std::string_view text = input.empty();;) {
        const std::size_t left = std::min(most_left, text.size());
        all += text.substr(0, text.size() - left);
        text.remove_prefix(text.size() - left);
        const std::string_view longer = input.longer(text);
        EXPECT_EQ(*(longer.data() + longer.size()), '\n');
        if (longer.size() == text.size()) return all += longer;
        text = longer;
    }
}

TEST(ChunkedInput, IsTheWholeFileWhateverIsLeftOfIt) {
    const Folder folder;
    const std::string text = long_text();
    const std::string path = folder.file_with("text", text);
    for (const std::size_t left : {std::size_t{0}, std::size_t{1}, std::size_t{777}, kRoom}) {
        InputFile file{path};
        ChunkedInput input{file, kRoom, kPadding};
        EXPECT_TRUE(all_of(input, left) == text) << left;
    }
}

TEST(ChunkedInput, IsEmptyOfAnEmptyFile) {
    const Folder folder;
    InputFile file{folder.file_with("text", "")};
    ChunkedInput input{file, kRoom, kPadding};
    EXPECT_EQ(all_of(input, 0), "");
    EXPECT_EQ(all_of(input, 0), "") << "and stays so";
}

TEST(ChunkedInput, TellsWhatFailedAfterAllThatCameBefore) {
    const Folder folder;
    const std::string text = long_text();
    const std::string path = folder.file("text.zst");
    OutputFile packed{path};
    packed.write(text);
    packed.commit();
    const auto whole = std::filesystem::file_size(path);
    ASSERT_EQ(::truncate(path.c_str(), static_cast<off_t>(whole - 1)), 0);

    InputFile file{path};
    ChunkedInput input{file, kRoom, kPadding};
    std::string seen;
    const auto take_all = [&] {
        for (std::string_view more; !(more = input.longer({})).empty();)
            seen += more;
    };
    EXPECT_THROW(take_all(), Error);
    EXPECT_TRUE(seen == text) << seen.size() << " of " << text.size();
    EXPECT_THROW(input.longer({}), Error) << "and again";
}

TEST(ChunkedInput, CanBeLeftWhileItsThreadReads) {
    const Folder folder;
    const std::string path = folder.file_with("text", long_text());
    for (int taken = 0; taken < 4; ++taken) {
        InputFile file{path};
        ChunkedInput input{file, kRoom, kPadding};
        for (int i = 0; i < taken; ++i)
            EXPECT_FALSE(input.longer({}).empty());
    }
}

// Each piece would be a move of all that is left of the line.
TEST(ChunkedInput, LeavesALineWhereItIsWhileSmallPiecesOfItCome) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    {
        InputFile file{"/proc/self/fd/" + std::to_string(ends[0])};
        ChunkedInput input{file, kRoom, kPadding};
        std::string_view text = input.empty();
        const char* const begin = text.data();
        std::string wanted;
        for (const std::string_view part : {"first", "b", "c", "d"}) {
            ASSERT_EQ(::write(ends[1], part.data(), part.size()), static_cast<ssize_t>(part.size()));
            wanted += part;
            while (text.size() < wanted.size())
                text = input.longer(text);
            EXPECT_EQ(text, wanted);
            EXPECT_EQ(text.data(), begin);
        }
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST(ChunkedInput, IsAllOfALongPipeInSmallPieces) {
    const std::string text = long_text();
    for (const std::size_t left : {std::size_t{0}, std::size_t{777}, kRoom}) {
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        std::thread writer{[&text, end = ends[1]] {
            for (std::size_t at = 0; at < text.size(); at += 1'001) {
                const std::string_view piece = std::string_view{text}.substr(at, 1'001);
                EXPECT_EQ(::write(end, piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
            }
            ::close(end);
        }};
        InputFile file{"/proc/self/fd/" + std::to_string(ends[0])};
        ::close(ends[0]);
        ChunkedInput input{file, kRoom, kPadding};
        EXPECT_TRUE(all_of(input, left) == text) << left;
        writer.join();
    }
}

// A minute, if its thread is to read to the end of what holds no text.
TEST(ChunkedInput, CanBeLeftWhileItsThreadReadsWhatHoldsNoText) {
    const Folder folder;
    const std::string path = folder.file("text.zst");
    OutputFile packed{path};
    packed.write(long_text().substr(0, 600'000));
    packed.commit();
    const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
    ASSERT_GE(file, 0);
    const auto text_end = static_cast<off_t>(std::filesystem::file_size(path));
    off_t at = text_end;
    for (int i = 0; i < 64; ++i) {  // frames to be skipped, of holes
        constexpr std::array<std::uint32_t, 2> kFrame{0x184D2A50, 0xFFFF'0000};
        ASSERT_EQ(::pwrite(file, kFrame.data(), sizeof kFrame, at), static_cast<ssize_t>(sizeof kFrame));
        at += static_cast<off_t>(sizeof kFrame) + kFrame[1];
    }
    ASSERT_EQ(::ftruncate(file, at), 0);
    ::close(file);
    InputFile input_file{path};  // has the number that is free now
    ChunkedInput input{input_file, kRoom, kPadding};
    for (int i = 0; i < 2; ++i)
        EXPECT_FALSE(input.longer({}).empty());
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::minutes{1};
    while (::lseek(file, 0, SEEK_CUR) < text_end + (off_t{1} << 20) && std::chrono::steady_clock::now() < give_up)
        std::this_thread::yield();
    EXPECT_LT(::lseek(file, 0, SEEK_CUR), at);
}

TEST(ChunkedInput, TakesOfAPipeWhatIsThereAndCanBeLeftWhileThatIsSilent) {
    std::array<int, 2> ends{};
    ASSERT_EQ(::pipe(ends.data()), 0);
    {
        InputFile file{"/proc/self/fd/" + std::to_string(ends[0])};
        ChunkedInput input{file, kRoom, kPadding};
        for (const std::string_view part : {"the first part", "the second"}) {
            ASSERT_EQ(::write(ends[1], part.data(), part.size()), static_cast<ssize_t>(part.size()));
            std::string seen;
            while (seen.size() < part.size())
                seen += input.longer({});
            EXPECT_EQ(seen, part);
        }
    }
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace tiffany::pal::test
