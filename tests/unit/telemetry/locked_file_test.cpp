// Whose a log's file is, and what happens to what has its name already.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <telemetry/locked_file.hpp>
#include <telemetry/setting_values.hpp>
#include <tiffany/pal/writer.hpp>

#include "../temporary_folder.hpp"

namespace tiffany::detail {
namespace {

namespace fs = std::filesystem;

constexpr const char* kBeginOfLog = "{\"v\":1,\"event\":\"Begin\"}\n";

std::string zstd(const std::string& text) {
    std::string packed(ZSTD_compressBound(text.size()), '\0');
    packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 1));
    return packed;
}

class LockedFile : public ::testing::Test {
  protected:
    std::string path(const char* name) const { return folder.path() / name; }
    static std::string content(const std::string& path) {
        std::ostringstream text;
        text << std::ifstream{path}.rdbuf();
        return text.str();
    }
    static void write(const std::string& path, const char* text) { std::ofstream{path} << text; }
    Descriptor take() { return take_file(path("run"), path("run.old"), problem); }

    const tiffany::test::TemporaryFolder folder;
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
    write(path("run"), kBeginOfLog);
    write(path("run.old"),
          "{\"v\":1,\"ts\":\"2026-11-27T21:39:10.076204940Z\",\"event\":\"Begin\",\"tool\":\"other\"}\n");
    EXPECT_TRUE(take().is_open());
    EXPECT_EQ(content(path("run")), "");
    EXPECT_EQ(content(path("run.old")), kBeginOfLog);
}

TEST_F(LockedFile, ALogThatAnotherHasLockedIsLeftAlone) {
    write(path("run"), kBeginOfLog);
    const Descriptor other{open(path("run").c_str(), O_RDWR)};
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::in_use);
    EXPECT_EQ(content(path("run")), kBeginOfLog);
}

TEST_F(LockedFile, WhatIsNoLogIsLeftAlone) {
    write(path("run"), "my diary");
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_EQ(content(path("run")), "my diary");
    fs::remove(path("run"));
    write(path("run"), kBeginOfLog);
    write(path("run.old"), "my other diary");
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_EQ(content(path("run.old")), "my other diary");
}

TEST_F(LockedFile, WhatOnlyLooksLikeALogIsLeftAlone) {
    for (const std::string& text :
         {std::string{R"({"v":1})"}, std::string{R"({"v":1,"name":"settings of another program"})"},
          std::string{R"({"v":1,"ts":"2026-11-27","event":"Begin"})"}, std::string{R"({"v":10,"event":"Begin"})"},
          zstd("my diary, packed"), zstd(""), std::string{"\x28\xB5\x2F\xFD and what is no zstd"}}) {
        std::ofstream{path("run"), std::ios::trunc} << text;
        EXPECT_FALSE(take().is_open()) << text;
        EXPECT_EQ(problem.problem, PalProblem::not_a_log);
        EXPECT_EQ(content(path("run")), text);
        fs::remove(path("run"));
        std::ofstream{path("run.old")} << text;
        write(path("run"), kBeginOfLog);
        EXPECT_FALSE(take().is_open()) << text;
        EXPECT_EQ(content(path("run.old")), text);
        fs::remove(path("run.old"));
    }
}

TEST_F(LockedFile, WhatTheLogsWriterBeginsWithIsALogPackedOrCutToo) {
    struct Text : pal::ByteSink {
        void write(std::string_view bytes) override { text += bytes; }
        std::string text;
    } out;
    pal::LogWriter writer{out};
    pal::Begin begin;
    begin.ts_ns = 1'700'000'000'123'456'789;
    begin.tool = "tiffany";
    writer.begin(begin);
    writer.flush();
    for (const std::string& text : {out.text, zstd(out.text), zstd(out.text + std::string(1 << 20, ' ')),
                                    out.text.substr(0, 20), out.text.substr(0, 50)}) {
        std::ofstream{path("run"), std::ios::trunc} << text;
        EXPECT_TRUE(take().is_open()) << text.substr(0, 99);
        EXPECT_EQ(content(path("run.old")), text);
    }
}

TEST_F(LockedFile, AnOlderLogThatSomebodyHasLockedIsKept) {
    write(path("run"), kBeginOfLog);
    write(path("run.old"), kBeginOfLog);
    const Descriptor other{open(path("run.old").c_str(), O_RDWR)};
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::in_use);
    EXPECT_TRUE(is_named(other.get(), path("run.old")));
}

TEST_F(LockedFile, AnEmptyFileOfAStrangerIsLeftAlone) {
    write(path("run"), "");
    if (chown(path("run").c_str(), 65534, 65534) != 0) GTEST_SKIP() << "only root can make one";
    EXPECT_FALSE(take().is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_TRUE(fs::exists(path("run")));
}

TEST_F(LockedFile, ANameIsGivenBackUnlessSomebodyHasTakenIt) {
    write(path("run.old"), "mine");
    rename_unless_there(path("run.old"), path("run"));
    EXPECT_EQ(content(path("run")), "mine");
    write(path("run.old"), "other");
    rename_unless_there(path("run.old"), path("run"));
    EXPECT_EQ(content(path("run")), "mine");
    EXPECT_EQ(content(path("run.old")), "other");
}

TEST_F(LockedFile, AFileToBeLockedIsNobodyElses) {
    write(path("lock"), "notes");
    EXPECT_FALSE(take_lock_file(path("lock"), problem).is_open());
    EXPECT_EQ(problem.problem, PalProblem::not_a_log);
    EXPECT_EQ(content(path("lock")), "notes");
    fs::remove(path("lock"));
    EXPECT_TRUE(take_lock_file(path("lock"), problem).is_open());
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
    EXPECT_FALSE(fs::exists(path("run.old")));
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
    EXPECT_EQ(FileName{"run.pal"}.with(".old"), "run.pal.old");
    EXPECT_EQ(FileName{"run.pal.zst"}.with(".812.old"), "run.pal.812.old.zst");
    EXPECT_EQ(FileName{".zst"}.with(".1"), ".zst.1");
    EXPECT_TRUE(FileName{"a.zst"}.is_compressed());
    EXPECT_FALSE(FileName{"a.zstd"}.is_compressed());
}

}  // namespace
}  // namespace tiffany::detail
