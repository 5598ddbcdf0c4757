// Nobody writes a ring's length past a thread that has no CPU in the middle of an LTTng call.

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <semaphore>
#include <string>
#include <thread>

#include "telemetry/lttng_calls.hpp"

namespace tiffany::detail {
namespace {

constexpr std::uint64_t kEvent = 100;  // bytes
constexpr std::uint64_t kMuch = 3 * LttngCalls::kRoomBytes;
constexpr std::uint64_t kBound = LttngCalls::kRoomBytes + LttngCalls::kUntoldBytes;

/// Another worker, on a thread of its own, in the middle of a call.
class InACall {
  public:
    InACall(LttngCalls& calls, bool sleeps)
        : call_{*calls.of(1)}, sleeps_{sleeps}, thread_{[this, &calls] {
              call_.thread = gettid();
              calls.enter(call_, kEvent, patience_);
              began_.release();
              while (!sleeps_ && !may_end_.try_acquire()) {
              }
              if (sleeps_) may_end_.acquire();
              LttngCalls::leave(call_);
          }} {
        began_.acquire();
    }
    ~InACall() {
        end();
        thread_.join();
    }
    InACall(const InACall&) = delete;
    InACall& operator=(const InACall&) = delete;

    void end() { may_end_.release(); }
    void sleep() { sleeps_ = true; }
    const LttngCall& call() const { return call_; }

  private:
    LttngCall& call_;
    LttngPatience patience_;
    std::atomic<bool> sleeps_;
    std::binary_semaphore began_{0};
    std::counting_semaphore<2> may_end_{0};
    std::thread thread_;
};

/// How often this thread has slept.
long sleeps() {
    rusage usage{};
    getrusage(RUSAGE_THREAD, &usage);
    return usage.ru_nvcsw;
}

struct Writer {
    /// Returns whether it was let write all of it.
    bool write(LttngCalls& calls, std::uint64_t bytes) {
        LttngCall& call = *calls.of(0);
        thread = gettid();
        for (const std::uint64_t end = written + bytes; written < end; written += kEvent) {
            if (!calls.enter(call, kEvent, patience)) return false;
            LttngCalls::leave(call);
        }
        return true;
    }
    /// How often its thread has slept so far.
    long slept() const {
        std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/status"};
        for (std::string word; file >> word;)
            if (long times = 0; word == "voluntary_ctxt_switches:" && file >> times) return times;
        return 0;
    }
    bool is_asleep() const {
        std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/stat"};
        std::string stat;
        std::getline(file, stat);
        return stat.find(") S ") != std::string::npos;
    }
    LttngPatience patience;
    std::atomic<pid_t> thread{0};
    std::atomic<std::uint64_t> written{0};
    std::atomic<bool> ended{false};
};

TEST(LttngCalls, WhoHasNoCpuInTheMiddleOfACallIsWaitedFor) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    std::thread writes{[&] { EXPECT_TRUE(writer.write(calls, kMuch)); }};
    while (writer.thread == 0 || (!writer.is_asleep() && writer.written < kMuch))
        std::this_thread::yield();
    EXPECT_LE(writer.written, kBound);
    other.end();
    writes.join();
    EXPECT_FALSE(writer.patience.is_tried()) << "it went on";
}

TEST(LttngCalls, WhoWaitsForTheConsumerIsNotWaitedFor) {
    LttngCalls calls;
    Writer writer;
    const InACall other{calls, true};
    Writer watched;
    watched.thread = other.call().thread.load();
    while (!watched.is_asleep())
        std::this_thread::yield();
    EXPECT_TRUE(writer.write(calls, kMuch));
}

TEST(LttngCalls, WhoHasWaitedInVainNeitherWritesNorWaitsUntilTheOtherIsDone) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    EXPECT_FALSE(writer.write(calls, kMuch));
    EXPECT_LE(writer.written, kBound);
    EXPECT_FALSE(writer.patience.is_tried()) << "this tells nothing of the consumer";
    const long before = sleeps();
    for (int i = 0; i < 2; ++i)
        EXPECT_FALSE(writer.write(calls, kEvent));
    EXPECT_LT(sleeps() - before, 500);
    other.end();
    while (other.call().since != 0)
        std::this_thread::yield();
    EXPECT_TRUE(writer.write(calls, kMuch));
}

TEST(LttngCalls, TheNextWorkerOfAnIndexKnowsNothingOfWhomTheLastOneWaitedForInVain) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    EXPECT_FALSE(writer.write(calls, kMuch));
    EXPECT_FALSE(writer.write(calls, kEvent));
    LttngCalls::join(*calls.of(0), gettid());
    EXPECT_TRUE(writer.write(calls, kEvent));
    other.end();
}

// What it waits for the consumer afterwards would come on top.
TEST(LttngCalls, WhoWaitedForOneThatNowWaitsForTheConsumerGoesOnWaitingAndThenGivesTheConsumerUp) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    std::thread writes{[&] {
        EXPECT_FALSE(writer.write(calls, kMuch));
        writer.ended = true;
    }};
    while (writer.slept() < 150 && !writer.ended)  // 0.1 ms each at least: more than a wait that is not counted
        std::this_thread::yield();
    other.sleep();
    writes.join();
    EXPECT_LE(writer.written, kBound);
    EXPECT_TRUE(writer.patience.is_over());
}

TEST(LttngCalls, WhatIsLeftOfItsPatienceIsAsLongAsAWorkerWaits) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    writer.patience.waited({}, LttngPatience::kGiveUpNs - 10'000'000);  // 100 looks of 0.1 ms at most
    const long before = sleeps();
    EXPECT_FALSE(writer.write(calls, kMuch));
    EXPECT_LT(sleeps() - before, 500);
    EXPECT_FALSE(writer.patience.is_over());
    other.end();
}

// What called the hook may look at its own error after it.
TEST(LttngCalls, AWaitLeavesErrno) {
    LttngCalls calls;
    Writer writer;
    calls.begin(*calls.of(1));  // no such thread: the look at it fails
    errno = EXDEV;
    EXPECT_FALSE(writer.write(calls, kMuch)) << "there was a wait";
    EXPECT_EQ(errno, EXDEV);
}

TEST(LttngCalls, AForkedChildWaitsForNobody) {
    LttngCalls calls;
    Writer writer;
    calls.begin(*calls.of(1));  // no such thread: it is not known to sleep
    calls.become_child();
    EXPECT_TRUE(writer.write(calls, kMuch));
}

TEST(LttngCalls, EachIndexHasOneOfItsOwn) {
    LttngCalls calls;
    EXPECT_EQ(calls.of(65'535), calls.of(65'535));
    EXPECT_NE(calls.of(65'535), calls.of(65'534));
    EXPECT_NE(calls.of(0), calls.of(64));
}

}  // namespace
}  // namespace tiffany::detail
