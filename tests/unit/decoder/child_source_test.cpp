#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <map>
#include <new>
#include <sstream>
#include <string>
#include <system_error>

#include "child_source.hpp"

namespace tiffany::ctf {
namespace {

using namespace std::chrono_literals;

class Nothing : public FrameHandler {
  public:
    void facts(const TraceFacts& facts) override { seen = facts; }
    void begin(const pal::Begin&) override {}
    void discarded(const pal::Discarded& d) override { discards.push_back(d.count); }
    void gap(const pal::Gap&) override {}
    void end(const pal::End&) override {}
    void unknown(const Counts& events, const Counts&) override { unknown_events = events; }
    void left_out(std::uint64_t) override {}
    void lacks(const std::string& what) override { lacking = what; }
    void cut(const std::string& what) override { half = what; }

    TraceFacts seen;
    std::vector<std::uint64_t> discards;
    Counts unknown_events;
    std::string lacking;
    std::string half;
};

std::string failure(ChildSource& source) {
    Nothing nothing;
    pal::Record record;
    try {
        while (source.next(record, nothing)) {
        }
    } catch (const Error& error) {
        return error.one_line();
    }
    return "no failure";
}

TEST(ChildSource, CarriesRecordsAndEvidenceOver) {
    ChildSource source{"trace",
                       [](FrameWriter& writer) {
                           TraceFacts facts;
                           facts.tiffany = true;
                           facts.clock = "monotonic";
                           facts.from_start = true;
                           writer.facts(facts);
                           pal::Record record;
                           record.info = &catalogue::info(EventId::TaskFailed);
                           record.ts_ns = 12;
                           record.host = "h";
                           record.worker = {0x123456789abc, 0xffff};
                           record.seq = 3;
                           record.set_number("run_ns", 77);
                           record.set_text("error", "it broke");
                           for (int i = 0; i < 10'000; ++i)
                               writer.record(record);
                           writer.discarded({1, 2, 3, true, true});
                           writer.unknown({{"task_frozen", 4}}, {});
                           writer.lacks("a buffer");
                           writer.cut("a stream");
                       },
                       60s};
    Nothing seen;
    pal::Record record;
    std::size_t records = 0;
    while (source.next(record, seen))
        ++records;
    EXPECT_EQ(records, 10'000u);
    EXPECT_EQ(record.number("run_ns"), 77u);
    EXPECT_EQ(record.text("error"), "it broke");
    EXPECT_EQ(record.worker, (pal::WorkerId{0x123456789abc, 0xffff}));
    EXPECT_EQ(seen.seen.clock, "monotonic");
    EXPECT_TRUE(seen.seen.from_start);
    EXPECT_EQ(seen.lacking, "a buffer");
    EXPECT_EQ(seen.half, "a stream");
    EXPECT_THAT(seen.discards, testing::ElementsAre(3));
    EXPECT_EQ(seen.unknown_events.at("task_frozen"), 4u);
}

/// What the names in /proc/self/fd lead to, of a child whose input is `input`.
std::map<int, std::string> open_in_a_child(int input) {
    ChildSource source{"run1",
                       [](FrameWriter& writer) {
                           std::string all;
                           for (int fd = 0; fd < 256; ++fd) {
                               std::error_code closed;
                               const auto where =
                                   std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd), closed);
                               if (!closed) all += std::to_string(fd) + ' ' + where.string() + '\n';
                           }
                           writer.lacks(all);
                       },
                       60s, input};
    Nothing nothing;
    pal::Record record;
    while (source.next(record, nothing)) {
    }
    std::map<int, std::string> found;
    std::istringstream lines{nothing.lacking};
    int fd = 0;
    for (std::string where; lines >> fd >> where;)
        found[fd] = where;
    return found;
}

TEST(ChildSource, HasNothingOpenButItsPipeAndItsInput) {
    std::array<int, 2> held{};
    ASSERT_EQ(::pipe2(held.data(), O_CLOEXEC), 0);
    const auto others = [](std::map<int, std::string> found) {
        std::erase_if(found, [](const auto& one) { return one.first <= STDERR_FILENO; });
        return found.size();
    };
    const std::map<int, std::string> of_a_trace = open_in_a_child(-1);
    EXPECT_EQ(others(of_a_trace), 1u) << "its pipe";
    EXPECT_EQ(of_a_trace.at(0), "/dev/null");
    EXPECT_EQ(of_a_trace.at(1), "/dev/null") << "it can be the log that the parent writes";
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // those say there what they find
    EXPECT_EQ(of_a_trace.at(2), "/dev/null") << "it can be a terminal";
#endif
    const std::map<int, std::string> of_a_descriptor = open_in_a_child(held[0]);
    EXPECT_EQ(others(of_a_descriptor), 2u);
    EXPECT_EQ(of_a_descriptor.at(held[0]),
              std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(held[0])).string());
    const int usual = ::dup(STDIN_FILENO);
    ASSERT_EQ(::dup2(held[0], STDIN_FILENO), STDIN_FILENO);
    EXPECT_THAT(open_in_a_child(STDIN_FILENO).at(0), testing::StartsWith("pipe:"));
    ::dup2(usual, STDIN_FILENO);
    for (const int fd : {held[0], held[1], usual})
        ::close(fd);
}

TEST(ChildSource, EndsADecoderThatMakesNoProgressAndNamesIt) {
    ChildSource source{"run1/ust",
                       [](FrameWriter&) {
                           for (std::atomic<int> turns = 0;; ++turns) {
                           }
                       },
                       1s};
    EXPECT_EQ(failure(source), "cannot decode run1/ust: its decoder made no progress for 1 s and was ended");
}

/// A moment that a child tells its parent.
class SharedMoment {
  public:
    SharedMoment()
        : page_{::mmap(nullptr, sizeof(Moment), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)},
          moment_{new (page_) Moment{std::chrono::steady_clock::now()}} {}
    ~SharedMoment() { ::munmap(page_, sizeof(Moment)); }
    SharedMoment(const SharedMoment&) = delete;
    SharedMoment& operator=(const SharedMoment&) = delete;

    void is_now() { *moment_ = std::chrono::steady_clock::now(); }
    std::chrono::nanoseconds ago() const { return std::chrono::steady_clock::now() - moment_->load(); }

  private:
    using Moment = std::atomic<std::chrono::steady_clock::time_point>;
    void* page_;
    Moment* moment_;
};

TEST(ChildSource, LetsADecoderWorkForLongerThanItsPatienceIfItShowsLife) {
    constexpr std::chrono::milliseconds kPatience = 1s;
    SharedMoment last_alive;
    ChildSource source{"run1",
                       [&](FrameWriter& writer) {
                           const auto until = std::chrono::steady_clock::now() + 3 * kPatience;
                           while (std::chrono::steady_clock::now() < until) {
                               writer.alive();
                               last_alive.is_now();
                               ::usleep(1000);
                           }
                       },
                       kPatience};
    const std::string ended = failure(source);
    // one that did not get the CPU for so long shows none: it is ended as it should be
    if (ended != "no failure") {
        EXPECT_GE(last_alive.ago(), kPatience / 2) << ended;
    }
}

TEST(ChildSource, TakesWhatADecoderHasSentHoweverLateItLooks) {
    ChildSource source{"run1", [](FrameWriter& writer) { writer.cut("a stream"); }, 1ms};
    siginfo_t ended{};
    ASSERT_EQ(::waitid(P_ALL, 0, &ended, WEXITED | WNOWAIT), 0);
    Nothing seen;
    pal::Record record;
    EXPECT_FALSE(source.next(record, seen));
    EXPECT_EQ(seen.half, "a stream");
}

TEST(ChildSource, NamesADecoderThatCrashes) {
    ChildSource source{"run1", [](FrameWriter&) { ::kill(::getpid(), SIGKILL); }, 60s};
    EXPECT_EQ(failure(source), "cannot decode run1: its decoder was killed by signal 9 (Killed)");
}

TEST(ChildSource, PassesOnTheWholeChainOfAnError) {
    ChildSource source{"run1",
                       [](FrameWriter&) {
                           throw Error{ErrorKind::content, "it is cut"}.within("cannot read stream a_0");
                       },
                       60s};
    EXPECT_EQ(failure(source), "cannot read stream a_0: it is cut");
}

TEST(ChildSource, LeavesNoProcessBehindWhenItIsNotReadToItsEnd) {
    const auto begin = std::chrono::steady_clock::now();
    {
        ChildSource source{"run1", [](FrameWriter&) { ::pause(); }, 0s};
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 30s);
}

}  // namespace
}  // namespace tiffany::ctf
