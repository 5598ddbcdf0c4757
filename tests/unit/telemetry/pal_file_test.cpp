// The log's files when they turn over while the disk is full, a descriptor is not to be had, or a name is somebody's.

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <telemetry/pal_file.hpp>
#include <telemetry/pal_log.hpp>
#include <telemetry/process.hpp>

#include "../temporary_folder.hpp"

namespace tiffany::detail {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t kFileInstance = 0x5f3a9c1e07b2;
constexpr std::uint64_t kFileMax = 64 << 10;

/// While it lives the process may have no more of something.
class Limit {
  public:
    Limit(__rlimit_resource what, rlim_t value) : what_{what} {
        getrlimit(what_, &before_);
        rlimit now = before_;
        now.rlim_cur = value;
        setrlimit(what_, &now);
    }
    ~Limit() { setrlimit(what_, &before_); }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;

  private:
    __rlimit_resource what_;
    rlimit before_{};
};

class PalFileTest : public ::testing::Test {
  protected:
    PalFileTest() {
        fs::create_directory(folder);
        std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is then a full disk
    }
    ~PalFileTest() override {
        log.reset();
        std::signal(SIGXFSZ, SIG_DFL);
    }
    std::string path(const char* name) const { return folder / name; }
    void make() {
        auto file = std::make_unique<PalFile>(PalFile::Place{path("run.pal"), 812, false, kFileMax},
                                              PalStreamNames{"test", "unit", "monotonic"}, lines, counters, problem);
        log = std::make_unique<PalLog>(std::move(file), lines);
        log->worker({kFileInstance, 0}, 0);
        tiffany_worker_started started{};
        started.worker = kFileInstance << 16;
        std::strcpy(started.scheduler, "pool");
        give(EventId::WorkerStarted, started);
        log->looked(true, true);
    }
    void transitions(std::uint64_t count) {
        for (const std::uint64_t last = seq + count; seq < last;) {
            tiffany_task_done event{};
            event.worker = kFileInstance << 16;
            event.seq = ++seq;
            event.tid = event.step = 1;
            give(EventId::TaskDone, event);
        }
        log->looked(true, true);
    }
    /// Until the next batch would turn it over.
    void fill() {
        while (fs::file_size(path("run.pal")) + 8'000 < kFileMax)
            transitions(10);
    }
    /// Tasks that live are told of until there are so many files.
    void dump_until(std::uint64_t files) {
        while (counters->files < files) {
            for (std::uint64_t i = 0; i < 50; ++i) {
                tiffany_dump_task event{};
                event.worker = kFileInstance << 16;
                event.tid = 7;
                event.state = 2;
                give(EventId::State, event);
            }
            log->looked(true, true);
        }
    }
    void end() {
        log->end();
        log.reset();
    }
    template <typename Event>
    void give(EventId id, const Event& event) {
        alignas(16) std::array<std::byte, 1024> bytes{};
        std::memcpy(bytes.data(), &event, sizeof event);
        log->event({id, ts_ns += 10, bytes.data()});
    }
    std::vector<json> entries(const char* name) const {
        std::vector<json> found;
        std::ifstream in{path(name)};
        for (std::string line; std::getline(in, line);)
            found.push_back(json::parse(line, nullptr, false));
        return found;
    }
    struct Told {
        std::uint64_t from = 0, next = 0, lost = 0;
    };
    /// Of a log the seqs, each once, as a record or in a gap; fails if one is missing or there twice.
    static Told told(const std::vector<json>& entries) {
        Told told;
        for (const json& entry : entries) {
            const std::string event = entry["event"];
            if (event != "Gap" && event != "Done") continue;
            const std::uint64_t from = entry[event == "Gap" ? "from_seq" : "seq"];
            if (told.from == 0) told.from = told.next = from;
            EXPECT_EQ(from, told.next) << entry.dump();
            told.next = std::uint64_t{entry[event == "Gap" ? "to_seq" : "seq"]} + 1;
            if (event == "Gap") told.lost += told.next - from;
        }
        return told;
    }
    static bool has_end(const std::vector<json>& entries) {
        return entries.back().is_object() && entries.back()["event"] == "End";
    }
    /// Both files together are all of it.
    void expect_all_told(std::uint64_t at_least_lost) {
        const std::vector<json> older = entries("run.pal.old");
        const std::vector<json> newer = entries("run.pal");
        ASSERT_TRUE(has_end(older) && has_end(newer));
        const Told first = told(older);
        const Told second = told(newer);
        EXPECT_EQ(first.from, 1u);
        EXPECT_EQ(second.from, first.next);
        EXPECT_EQ(second.next, seq + 1);
        EXPECT_EQ(older.back()["lost"], first.lost);
        EXPECT_EQ(newer.back()["lost"], second.lost);
        EXPECT_EQ(first.lost + second.lost, counters->left_out);
        EXPECT_GE(counters->left_out, at_least_lost);
    }

    const tiffany::test::TemporaryFolder home;
    fs::path folder = home.path() / "logs";
    std::shared_ptr<PalLines> lines = std::make_shared<PalLines>("web1", 812);
    std::shared_ptr<LogCounters> counters = std::make_shared<LogCounters>();
    NameProblem problem;
    std::unique_ptr<PalLog> log;
    std::uint64_t seq = 0;
    std::uint64_t ts_ns = 1'700'000'000'000'000'000;
};

TEST_F(PalFileTest, WhatTheDiskDoesNotTakeBeforeTheTurnIsAGapInTheFullFile) {
    make();
    transitions(100);
    {
        const Limit full{RLIMIT_FSIZE, fs::file_size(path("run.pal")) + 10};
        transitions(2'000);
    }
    EXPECT_GT(counters->left_out, 0u);
    log->looked(false, true);
    EXPECT_EQ(told(entries("run.pal")).lost, counters->left_out) << "though nothing more has come";
    end();
    const std::vector<json> all = entries("run.pal");
    ASSERT_TRUE(has_end(all));
    EXPECT_EQ(told(all).next, seq + 1);
    EXPECT_EQ(told(all).lost, counters->left_out);
    EXPECT_EQ(all.back()["lost"], counters->left_out.load());
    EXPECT_FALSE(fs::exists(path("run.pal.old")));
}

TEST_F(PalFileTest, AfterAnEndThatDidNotFitAnotherFileTellsWhatWasLostAtTheEndOfTheProcess) {
    make();
    fill();
    {
        const Limit full{RLIMIT_FSIZE, fs::file_size(path("run.pal")) + 10};
        transitions(500);
    }
    end();
    expect_all_told(500);
}

TEST_F(PalFileTest, AfterAnEndThatDidNotFitTheGapIsToldAsSoonAsThereIsRoom) {
    make();
    fill();
    {
        const Limit full{RLIMIT_FSIZE, fs::file_size(path("run.pal")) + 10};
        transitions(500);
    }
    log->looked(false, true);
    EXPECT_EQ(told(entries("run.pal")).lost, 500u) << "though nothing more has come";
    transitions(5);
    end();
    expect_all_told(500);
}

TEST_F(PalFileTest, AnEndThatHidesWhatWasLostIsTakenBackIfNothingCanFollowIt) {
    make();
    fill();
    {
        const Limit full{RLIMIT_FSIZE, fs::file_size(path("run.pal")) + 10};
        transitions(500);
    }
    // nothing can be made where the folder was (with no descriptor to be had, UBSan could not look at an object's type)
    const std::string here = folder;
    folder += "-moved";
    fs::rename(here, folder);
    end();
    const std::vector<json> all = entries("run.pal");
    EXPECT_FALSE(has_end(all));
    EXPECT_TRUE(all.back().is_discarded()) << "a line that is cut";
}

TEST_F(PalFileTest, WithoutADescriptorForTheNextFileTheFullOneStays) {
    make();
    fill();
    {
        const Limit none{RLIMIT_NOFILE, 0};
        transitions(500);
        EXPECT_EQ(counters->error, EMFILE);
        EXPECT_EQ(counters->left_out, 500u);
        EXPECT_GT(fs::file_size(path("run.pal")), kFileMax / 2);
    }
    transitions(5);
    end();
    expect_all_told(500);
    EXPECT_EQ(counters->files, 2u);
}

TEST_F(PalFileTest, AtItsTurnItKeepsTheNameThatItWon) {
    std::ofstream{path("run.pal")} << "{\"v\":1,\"event\":\"Begin\"}\n";
    {
        const Descriptor other{open(path("run.pal").c_str(), O_RDWR)};
        ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
        make();
    }
    EXPECT_EQ(counters->where(), path("run.pal.812"));
    while (counters->files < 2)
        transitions(50);
    end();
    EXPECT_EQ(counters->where(), path("run.pal.812"));
    EXPECT_TRUE(fs::exists(path("run.pal.812.old")));
    EXPECT_EQ(entries("run.pal").size(), 1u) << "another process's, though that is dead now";
    EXPECT_FALSE(fs::exists(path("run.pal.old")));
}

TEST_F(PalFileTest, WhereAnotherHasTheOlderNameItGoesOnUnderAnotherAndSaysSo) {
    make();
    std::ofstream{path("run.pal.old")} << "{\"v\":1,\"event\":\"Begin\"}\n";
    const Descriptor other{open(path("run.pal.old").c_str(), O_RDWR)};
    ASSERT_EQ(flock(other.get(), LOCK_EX), 0);
    while (counters->files < 2)
        transitions(50);
    EXPECT_EQ(counters->where(), path("run.pal.812"));
    end();
    EXPECT_TRUE(is_named(other.get(), path("run.pal.old")));
    EXPECT_TRUE(has_end(entries("run.pal")));
    EXPECT_EQ(told(entries("run.pal.812")).from, told(entries("run.pal")).next);
}

TEST_F(PalFileTest, WhereTheOlderNameIsSomethingElsesTheFileBeginsAnewInItsPlace) {
    make();
    std::ofstream{path("run.pal.old")} << "my diary";
    while (counters->files < 2)
        transitions(50);
    end();
    const std::vector<json> all = entries("run.pal");
    EXPECT_TRUE(has_end(all) && all.front().contains("first"));
    EXPECT_EQ(told(all).next, seq + 1);
    EXPECT_EQ(fs::file_size(path("run.pal.old")), 8u);
    EXPECT_EQ(std::distance(fs::directory_iterator{folder}, {}), 2);
}

TEST_F(PalFileTest, AFileThatWasMovedAwayIsFollowedByANewOneOfItsName) {
    make();
    transitions(10);
    fs::rename(path("run.pal"), path("moved.pal"));
    while (counters->files < 2)
        transitions(50);
    end();
    EXPECT_TRUE(has_end(entries("moved.pal")));
    EXPECT_EQ(told(entries("run.pal")).from, told(entries("moved.pal")).next);
    EXPECT_FALSE(fs::exists(path("run.pal.old")));
}

// ---- who lives, in a file that began in the middle ----

TEST_F(PalFileTest, AFileThatEventsHaveFilledAsksWhoLives) {
    make();
    const std::uint32_t before = Process::get().generation();
    while (counters->files < 2)
        transitions(50);
    log->looked(true, true);
    EXPECT_EQ(Process::get().generation(), before + 1);
    end();
}

TEST_F(PalFileTest, ADumpThatNoFileHoldsIsNotAskedForByEachFileThatItFills) {
    make();
    const std::uint32_t before = Process::get().generation();
    dump_until(6);
    log->looked(true, true);
    EXPECT_EQ(Process::get().generation(), before);
    while (counters->files < 7)
        transitions(50);
    log->looked(true, true);
    EXPECT_EQ(Process::get().generation(), before + 1) << "one that events have filled asks again";
    end();
}

}  // namespace
}  // namespace tiffany::detail
