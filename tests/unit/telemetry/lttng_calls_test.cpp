// Nobody writes a ring's length past a thread that has no CPU in the middle of an LTTng call.

#include <gtest/gtest.h>
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
        : call_{*calls.of(1)}, thread_{[this, &calls, sleeps] {
              call_.thread = gettid();
              calls.enter(call_, kEvent);
              began_.release();
              if (sleeps)
                  may_end_.acquire();
              else
                  while (!may_end_.try_acquire()) {
                  }
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
    const LttngCall& call() const { return call_; }

  private:
    LttngCall& call_;
    std::binary_semaphore began_{0};
    std::counting_semaphore<2> may_end_{0};
    std::thread thread_;
};

struct Writer {
    void write(LttngCalls& calls, std::uint64_t bytes) {
        LttngCall& call = *calls.of(0);
        thread = gettid();
        for (std::uint64_t end = written + bytes; written < end; written += kEvent) {
            calls.enter(call, kEvent);
            LttngCalls::leave(call);
        }
    }
    bool is_asleep() const {
        std::ifstream file{"/proc/self/task/" + std::to_string(thread) + "/stat"};
        std::string stat;
        std::getline(file, stat);
        return stat.find(") S ") != std::string::npos;
    }
    std::atomic<pid_t> thread{0};
    std::atomic<std::uint64_t> written{0};
};

TEST(LttngCalls, WhoHasNoCpuInTheMiddleOfACallIsWaitedFor) {
    LttngCalls calls;
    Writer writer;
    InACall other{calls, false};
    std::thread writes{[&] { writer.write(calls, kMuch); }};
    while (writer.thread == 0 || (!writer.is_asleep() && writer.written < kMuch))
        std::this_thread::yield();
    EXPECT_LE(writer.written, kBound);
    other.end();
    writes.join();
    EXPECT_GE(writer.written, kMuch);
    EXPECT_EQ(other.call().given_up, 0u);
}

TEST(LttngCalls, WhoWaitsForTheConsumerIsNotWaitedFor) {
    LttngCalls calls;
    Writer writer;
    const InACall other{calls, true};
    Writer watched;
    watched.thread = other.call().thread.load();
    while (!watched.is_asleep())
        std::this_thread::yield();
    writer.write(calls, kMuch);
    EXPECT_EQ(other.call().given_up, 0u);
}

TEST(LttngCalls, WhoNeverComesBackIsWaitedForOnce) {
    LttngCalls calls;
    Writer writer;
    const InACall other{calls, false};
    writer.write(calls, kMuch);  // a wait at each look would take a quarter of an hour
    EXPECT_EQ(other.call().given_up, other.call().since);
}

// What called the hook may look at its own error after it.
TEST(LttngCalls, AWaitLeavesErrno) {
    LttngCalls calls;
    Writer writer;
    calls.enter(*calls.of(1), kEvent);  // no such thread: the look at it fails
    errno = EXDEV;
    writer.write(calls, kMuch);
    EXPECT_EQ(errno, EXDEV);
    EXPECT_EQ(calls.of(1)->given_up, calls.of(1)->since) << "there was a wait";
}

TEST(LttngCalls, AForkedChildWaitsForNobody) {
    LttngCalls calls;
    Writer writer;
    calls.enter(*calls.of(1), kEvent);  // no such thread: it is not known to sleep
    calls.become_child();
    writer.write(calls, kMuch);
    EXPECT_EQ(calls.of(1)->given_up, 0u);
}

TEST(LttngCalls, EachIndexHasOneOfItsOwn) {
    LttngCalls calls;
    EXPECT_EQ(calls.of(65'535), calls.of(65'535));
    EXPECT_NE(calls.of(65'535), calls.of(65'534));
    EXPECT_NE(calls.of(0), calls.of(64));
}

}  // namespace
}  // namespace tiffany::detail
