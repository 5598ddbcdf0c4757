// Whose a log's file is, and what happens to what has its name already.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <telemetry/locked_file.hpp>

namespace tiffany::detail {
namespace {

namespace fs = std::filesystem;

class LockedFile : public ::testing::Test {
  protected:
    LockedFile() {
        std::string name = (fs::temp_directory_path() / "tiffany-lock-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) std::abort();
        folder = name;
    }
    ~LockedFile() override { fs::remove_all(folder); }
    std::string path(const char* name) const { return folder / name; }
    static std::string content(const std::string& path) {
        std::ostringstream text;
        text << std::ifstream{path}.rdbuf();
        return text.str();
    }
    static void write(const std::string& path, const char* text) { std::ofstream{path} << text; }
    Descriptor take() { return take_file(path("run"), path("run.1"), problem); }

    fs::path folder;
    NameProblem problem;
};

TEST_F(LockedFile, ANewOneIsItsOwnersAlone) {
    const Descriptor file = take();
    ASSERT_TRUE(file.is_open());
    struct stat found {};
    ASSERT_EQ(stat(path("run").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, 0600u);
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::in_use);
}

TEST_F(LockedFile, ALogOfAnEarlierRunIsKeptUnderTheOtherName) {
    write(path("run"), "{\"v\":1,\"event\":\"Begin\"}\n");
    write(path("run.1"), "{\"v\":1,\"older\":1}\n");
    EXPECT_TRUE(take().is_open());
    EXPECT_EQ(content(path("run")), "");
    EXPECT_EQ(content(path("run.1")), "{\"v\":1,\"event\":\"Begin\"}\n");
}

TEST_F(LockedFile, ALogThatAnotherHasLockedIsLeftAlone) {
    write(path("run"), "{\"v\":1,\"event\":\"Begin\"}\n");
    const Descriptor other{open(path("run").c_str(), O_RDWR)};
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::in_use);
    EXPECT_EQ(content(path("run")), "{\"v\":1,\"event\":\"Begin\"}\n");
}

TEST_F(LockedFile, WhatIsNoLogIsLeftAlone) {
    write(path("run"), "my diary");
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_EQ(content(path("run")), "my diary");
    fs::remove(path("run"));
    write(path("run"), "{\"v\":1}");
    write(path("run.1"), "my other diary");
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_EQ(content(path("run.1")), "my other diary");
}

TEST_F(LockedFile, ASymbolicLinkIsRefusedWhereverItLeads) {
    write(path("victim"), "");
    fs::create_symlink("victim", path("run"));
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::symbolic_link);
    fs::remove(path("run"));
    fs::create_symlink("nowhere", path("run"));
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::symbolic_link);
    EXPECT_FALSE(fs::exists(path("nowhere")));
}

TEST_F(LockedFile, AnEmptyFileThatSomebodyPutThereIsReplaced) {
    write(path("run"), "");
    ASSERT_EQ(chmod(path("run").c_str(), 0666), 0);
    const Descriptor spy{open(path("run").c_str(), O_RDONLY)};
    const Descriptor file = take();
    ASSERT_TRUE(file.is_open());
    ASSERT_EQ(::write(file.get(), "secret", 6), 6);
    char seen[8];
    EXPECT_EQ(read(spy.get(), seen, sizeof seen), 0) << "who had it open before reads nothing of it";
    EXPECT_FALSE(fs::exists(path("run.1")));
}

TEST_F(LockedFile, ADeviceIsOpenedAsItIs) {
    EXPECT_TRUE(take_file("/dev/null", path("never"), problem).is_open());
    EXPECT_TRUE(take_file("/dev/null", path("never"), problem).is_open()) << "it is nobody's alone";
}

TEST_F(LockedFile, AFifoWithoutAReaderDoesNotBlock) {
    ASSERT_EQ(mkfifo(path("run").c_str(), 0600), 0);
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::refused);
    EXPECT_EQ(problem.error, ENXIO);
}

TEST_F(LockedFile, ANumberThatSomebodyElseHasNowIsLeftAlone) {
    Descriptor file = take();
    ASSERT_TRUE(file.is_ours());
    const int number = file.get();
    ::close(number);  // as a daemon does with all that it does not know
    write(path("other"), "");
    const int other = open(path("other").c_str(), O_WRONLY);
    ASSERT_EQ(other, number) << "the lowest that is free";
    EXPECT_FALSE(file.is_ours());
    file.close();
    EXPECT_EQ(::write(other, "x", 1), 1) << "it is still open";
    ::close(other);
}

TEST_F(LockedFile, WhatIsAddedToANameStaysBeforeItsEnding) {
    EXPECT_EQ(FileName{"run.pal"}.with(".1"), "run.pal.1");
    EXPECT_EQ(FileName{"run.pal.zst"}.with(".812.1"), "run.pal.812.1.zst");
    EXPECT_EQ(FileName{".zst"}.with(".1"), ".zst.1");
    EXPECT_TRUE(FileName{"a.zst"}.is_compressed());
    EXPECT_FALSE(FileName{"a.zstd"}.is_compressed());
}

}  // namespace
}  // namespace tiffany::detail
