#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <tiffany/pal/output.hpp>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

using testing::HasSubstr;

TEST(OutputFile, IsThereOnlyWhenItIsWhole) {
    const Folder folder;
    const std::string path = folder.file("log");
    OutputFile file{path};
    file.write("one\n");
    EXPECT_FALSE(std::filesystem::exists(path));
    file.commit();
    EXPECT_EQ(content_of(path), "one\n");
    EXPECT_EQ(folder.entries(), 1u);
}

TEST(OutputFile, LeavesNothingBehindWhenItWasNotCommitted) {
    const Folder folder;
    for (const char* name : {"log", "log.zst"}) {
        const std::string path = folder.file_with(name, "the old one");
        {
            OutputFile file{path};
            file.write("new");
        }
        EXPECT_EQ(content_of(path), "the old one");
    }
    EXPECT_EQ(folder.entries(), 2u);
}

TEST(OutputFile, LeavesNothingBehindWhenItsProcessIsKilled) {
    const Folder folder;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        OutputFile file{folder.file("log")};
        file.write("half");
        raise(SIGKILL);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));
    EXPECT_EQ(folder.entries(), 0u) << "this file system has no files without a name, or one was left behind";
}

TEST(OutputFile, IsReadableByItsOwnerAlone) {
    const Folder folder;
    OutputFile file{folder.file("log")};
    file.commit();
    EXPECT_EQ(std::filesystem::status(folder.file("log")).permissions(),
              std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

TEST(OutputFile, WritesADeviceDirectly) {
    OutputFile file{"/dev/null"};
    file.write("x");
    file.commit();
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

std::size_t room_of(const struct stat& file) {
    constexpr std::size_t kBlock = 512;
    return static_cast<std::size_t>(file.st_blocks) * kBlock;
}

/// Of the file that this process has open there without a name.
std::size_t room_of_the_nameless_file(const Folder& folder) {
    for (const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) {
        std::error_code gone;  // the descriptor by which this reads
        const std::string name = std::filesystem::read_symlink(entry, gone).string();
        struct stat file {};
        if (name.starts_with(folder.file("")) && name.ends_with(" (deleted)") &&
            ::stat(entry.path().c_str(), &file) == 0)
            return room_of(file);
    }
    return 0;
}

bool can_have_room_ahead(const Folder& folder) {
    const int fd = ::open(folder.file("").c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    const bool can = ::fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 4096) == 0;
    ::close(fd);
    return can;
}

TEST(OutputFile, GivesBackTheRoomThatItDidNotNeed) {
    const Folder folder;
    if (!can_have_room_ahead(folder)) GTEST_SKIP() << "this file system gives no room ahead";
    const std::string piece(std::size_t{1} << 18, 'x');
    constexpr std::size_t kPieces = 76;  // 19 MiB: it has asked for 32
    {
        OutputFile file{folder.file("log")};
        for (std::size_t i = 0; i < kPieces; ++i)
            file.write(piece);
        constexpr std::size_t kAskedFor = std::size_t{32} << 20;
        EXPECT_GE(room_of_the_nameless_file(folder), kAskedFor);
        file.commit();
    }
    struct stat file {};
    ASSERT_EQ(stat(folder.file("log").c_str(), &file), 0);
    EXPECT_EQ(static_cast<std::size_t>(file.st_size), kPieces * piece.size());
    constexpr std::size_t kAllowed = std::size_t{1} << 20;
    EXPECT_LT(room_of(file), kPieces * piece.size() + kAllowed);
}

TEST(OutputFile, NamesTheFileAndTheCauseWhenTheDiskIsFull) {
    // /dev/full is the disk that is always full
    for (const bool compressed : {false, true}) {
        const Folder folder;
        std::filesystem::create_symlink("/dev/full", folder.file("full.zst"));
        const std::string path = compressed ? folder.file("full.zst") : "/dev/full";
        OutputFile file{path};
        try {
            file.write("x");
            file.commit();
            FAIL() << "no error";
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::system);
            EXPECT_EQ(error.one_line(), "cannot write " + path + ": No space left on device");
        }
    }
}

TEST(OutputFile, RefusesWhatItCannotWrite) {
    const Folder folder;
    std::filesystem::create_symlink(folder.file_with("somebody's", "x"), folder.file("link"));
    std::filesystem::create_symlink(folder.file("nowhere"), folder.file("dangling"));
    const std::pair<std::string, std::string> cases[] = {{folder.file("none/log"), "No such file or directory"},
                                                         {folder.file(""), "Is a directory"},
                                                         {folder.file("link"), "symbolic link"},
                                                         {folder.file("dangling"), "symbolic link"},
                                                         {"", "its name is empty"}};
    for (const auto& [path, cause] : cases) {
        try {
            OutputFile file{path};
            FAIL() << path;
        } catch (const Error& error) {
            EXPECT_EQ(error.kind(), ErrorKind::system);
            EXPECT_THAT(error.one_line(), testing::AllOf(HasSubstr(path), HasSubstr(cause)));
        }
    }
}

TEST(OutputFile, WritesToTheStandardOutputForADash) {
    std::ostringstream out;
    OutputFile file{"-", out};
    file.write("a");
    file.write("b");
    file.commit();
    EXPECT_EQ(out.str(), "ab");
}

TEST(OutputFile, SaysThatTheStandardOutputHasFailed) {
    std::ostringstream out;
    out.setstate(std::ios::badbit);
    OutputFile file{"-", out};
    EXPECT_THROW(file.write("a"), Error);
}

}  // namespace
}  // namespace tiffany::pal::test
