#include "record_judge.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "../temporary_folder.hpp"
#include "record_notes.hpp"

namespace tiffany::paltrace {
namespace {

struct Ending {
    RecordFacts facts;
    RecordingEnd end;
};

struct Happening {
    std::string_view what;
    std::function<void(Ending&)> happens;
    std::string_view said;  ///< of what is lost, where it is all that happened
};

constexpr std::string_view kNone = "lost no transition\n";
constexpr std::string_view kOfRecorded = "lost no transition of what was recorded\n";
constexpr std::string_view kOfTraced = "lost no transition of what was traced\n";
constexpr std::string_view kOfReadable = "lost no transition of what can be read\n";
constexpr std::string_view kAtLeast = "lost at least 0 transitions\n";

/// One that ended, and did not tell that its worker had stopped.
RecordedProcess cut_process() {
    return {.pid = 12, .name = "pool", .records = 5, .transitions = 5, .open_workers = 1, .ended = true};
}

const std::vector<Happening>& happenings() {
    static const std::vector<Happening> all{
        {"nothing", [](Ending&) {}, kNone},
        {"COMMAND killed", [](Ending& it) { it.facts.command_wait_status = SIGKILL; }, kAtLeast},
        {"an end untold", [](Ending& it) { it.facts.processes.push_back(cut_process()); }, kAtLeast},
        {"processes missed", [](Ending& it) { it.facts.missed_processes["no room"] = 1; }, kAtLeast},
        {"shm full", [](Ending& it) { it.facts.shm_was_full = true; }, kAtLeast},
        {"another's daemon hangs on",
         [](Ending& it) {
             it.facts.hung_daemon = Daemon::consumer;
             it.facts.hangs_on = true;
         },
         kAtLeast},
        {"daemon dead", [](Ending& it) { it.facts.dead_daemon = Daemon::consumer; }, kOfRecorded},
        {"a consumer daemon not found", [](Ending& it) { it.facts.consumer_found = false; }, kOfRecorded},
        {"COMMAND's end unknown", [](Ending& it) { it.facts.command_end_known = false; }, kAtLeast},
        {"disk full", [](Ending& it) { it.facts.disk_was_full = true; }, kOfRecorded},
        {"buffers refused", [](Ending& it) { it.end.refused_channels = 1; }, kOfRecorded},
        {"a process passed over", [](Ending& it) { it.end.passed_over = true; }, kOfRecorded},
        {"not ended in good order", [](Ending& it) { it.facts.own = ExitCode::system; }, kOfRecorded},
        {"not traced from the start", [](Ending& it) { it.facts.found->untraced = 3; }, kOfTraced},
        {"a process without buffers", [](Ending& it) { it.facts.found->without_buffers = 1; }, kOfTraced},
        {"a bad part", [](Ending& it) { it.facts.found->bad_parts.emplace_back("a file is bad"); }, kOfReadable},
    };
    return all;
}

class ClosingSentence : public testing::Test {
  protected:
    std::string said_of(const std::vector<const Happening*>& all) const {
        RecordOptions options;
        options.command = {"pool"};
        Ending it;
        it.facts.ended = it.facts.started;
        it.facts.found.emplace();
        it.facts.found->records = it.facts.found->transitions = 10;
        it.end.disk_left = ~std::uint64_t{0};
        for (const Happening* const one : all)
            one->happens(it);
        std::ostringstream talk;
        judge_found(options, directory_, it.end, it.facts, talk);
        return talk.str();
    }

  private:
    const test::TemporaryFolder folder_;
    const OutputDir directory_{(folder_.path() / "run").string()};
};

TEST_F(ClosingSentence, SaysOfWhatNothingIsLost) {
    for (const Happening& one : happenings()) {
        const std::string said = said_of({&one});
        EXPECT_NE(said.find("paltrace: " + std::string{one.said}), said.npos) << one.what << ":\n" << said;
    }
}

TEST_F(ClosingSentence, SaysLostNoneBesideNothingThatIsMissingUncounted) {
    for (const Happening& one : happenings())
        for (const Happening& other : happenings()) {
            const std::string said = said_of({&one, &other});
            const bool more = one.said == kAtLeast || other.said == kAtLeast;
            EXPECT_EQ(said.find("lost no") == said.npos, more) << one.what << ", " << other.what << ":\n" << said;
            const bool all = one.said == kNone && other.said == kNone;
            EXPECT_EQ(said.find(kNone) != said.npos, all) << one.what << ", " << other.what << ":\n" << said;
        }
}

TEST_F(ClosingSentence, PromisesTheLastBuffersOfCommandOnlyWhereItsOwnWereRead) {
    const Happening killed{"killed",
                           [](Ending& it) {
                               it.facts.command_wait_status = SIGKILL;
                               it.end.command = 12;
                           },
                           kAtLeast};
    const Happening other{"another's read", [](Ending& it) { it.end.salvaged = {13}; }, kNone};
    const Happening own{"its own read", [](Ending& it) { it.end.salvaged = {12, 13}; }, kNone};
    constexpr std::string_view kHere = "COMMAND was killed: what was in its buffers is here, too";
    EXPECT_EQ(said_of({&killed, &other}).find(kHere), std::string::npos);
    EXPECT_NE(said_of({&killed, &own}).find(kHere), std::string::npos);
}

/// A crash-safe, lossless recording of what calls exit() beside workers.
std::string said_of_exit(pid_t command, std::chrono::seconds lasted, std::uint64_t discarded) {
    const test::TemporaryFolder folder;
    const OutputDir directory{(folder.path() / "run").string()};
    RecordOptions options;
    options.command = {"pool"};
    options.lossless = options.crash_safe = true;
    RecordFacts facts;
    facts.ended = facts.started + lasted;
    facts.processes.push_back(cut_process());
    facts.found.emplace();
    facts.found->records = facts.found->transitions = 10;
    facts.found->unexplained = 4;
    facts.found->lost = 4 + discarded;
    std::ostringstream talk;
    RecordingEnd end;
    end.command = command;
    end.disk_left = ~std::uint64_t{0};
    judge_found(options, directory, end, facts, talk);
    return talk.str();
}

TEST(LosslessAdvice, IsForLargerBuffersOnlyWhereAWorkerCanHaveWaitedInVain) {
    constexpr std::string_view kLarger = "give --buffers more than";
    constexpr std::string_view kHalf =
        "lost at least 4 transitions: perhaps a process ended in the middle of an event, "
        "and nobody reads what it left half written\n";
    const std::string brief = said_of_exit(12, std::chrono::seconds{1}, 0);
    EXPECT_NE(brief.find(kHalf), brief.npos) << brief;
    EXPECT_EQ(brief.find(kLarger), brief.npos) << brief;
    for (const std::string& said : {said_of_exit(12, std::chrono::seconds{2}, 0), said_of_exit(12, {}, 1)}) {
        EXPECT_NE(said.find("half written, which no larger --buffers would help; or a full"), said.npos) << said;
        EXPECT_NE(said.find(kLarger), said.npos) << said;
    }
}

TEST(CrashSafeLimit, IsSaidOfOthersThanCommand) {
    constexpr std::string_view kAlone = "--crash-safe keeps the last buffers of COMMAND itself alone";
    EXPECT_EQ(said_of_exit(12, {}, 0).find(kAlone), std::string::npos);
    EXPECT_NE(said_of_exit(13, {}, 0).find(kAlone), std::string::npos);
}

TEST(JudgedRecording, IsNotCalledUnreadableInTheLogThatIsMadeOfIt) {
    const test::TemporaryFolder folder;
    const OutputDir directory{(folder.path() / "run").string()};
    std::filesystem::copy(TIFFANY_GOLDEN "/v1/lives/trace", directory.path("trace"),
                          std::filesystem::copy_options::recursive);
    RecordOptions options;
    options.convert = true;
    RecordFacts facts;
    facts.ended = facts.started;
    facts.disk_was_full = true;
    std::ostringstream talk;
    judge_recording(options, directory, {}, facts, talk);
    ASSERT_TRUE(facts.found) << talk.str();
    EXPECT_GT(facts.found->records, 0u);
    EXPECT_EQ(facts.found->uncounted, std::vector<std::string>{});
    EXPECT_EQ(doubts_in(record_text(options, facts)), std::vector<std::string>{});
}

}  // namespace
}  // namespace tiffany::paltrace
