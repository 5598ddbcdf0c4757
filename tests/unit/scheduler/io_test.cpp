// Waits for descriptors, on real sockets.

#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Io : public Scheduled {
  protected:
    Io() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0); }
    ~Io() override {
        scheduler.close();
        for (const int end : ends)
            if (end >= 0) ::close(end);
    }
    void send() const { EXPECT_EQ(write(ends[1], "x", 1), 1); }

    std::array<int, 2> ends{-1, -1};

    static Task<> reader(int fd, int times) {
        for (int i = 0; i < times; ++i) {
            co_await readable(fd);
            char byte = 0;
            EXPECT_EQ(read(fd, &byte, 1), 1);
        }
    }
};

TEST_F(Io, ATaskWaitsUntilTheDescriptorCanBeRead) {
    const TaskHandle task = scheduler.spawn({}, reader(ends[0], 2));
    scheduler.run_until_idle();
    const std::string iowait = "IoWait " + std::to_string(ends[0]);
    EXPECT_EQ(story_of(task).back(), iowait);
    send();
    scheduler.run_until_idle();
    send();
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", iowait, "Ready io", "Running", iowait,
                                            "Ready io", "Running", "Done"));
}

TEST_F(Io, ADescriptorThatIsReadyIsNoSuspensionAndNoEvent) {
    send();
    const TaskHandle task = scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Done"));
}

TEST_F(Io, TheEndOfTheOtherSideWakesTheReader) {
    auto at_end = [](int fd) -> Task<> {
        co_await readable(fd);
        char byte = 0;
        EXPECT_EQ(read(fd, &byte, 1), 0);
    };
    const TaskHandle task = scheduler.spawn({}, at_end(ends[0]));
    scheduler.run_until_idle();
    ::close(ends[1]);
    ends[1] = -1;
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Io, AReaderAndAWriterWaitForOneDescriptor) {
    const std::array<char, 4096> block{};
    while (write(ends[0], block.data(), block.size()) > 0) {
    }
    auto writer = [](int fd) -> Task<> { co_await writable(fd); };
    const TaskHandle writing = scheduler.spawn({}, writer(ends[0]));
    const TaskHandle reading = scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    send();
    scheduler.run_until_idle();
    EXPECT_EQ(reading.state(), TaskState::Finished);
    EXPECT_EQ(writing.state(), TaskState::Waiting);
    std::array<char, 4096> sink{};
    while (read(ends[1], sink.data(), sink.size()) > 0) {
    }
    scheduler.run_until_idle();
    EXPECT_EQ(story_of(writing).at(3), "Ready io");
    EXPECT_EQ(writing.state(), TaskState::Finished);
}

TEST_F(Io, AWaitThatTimesOutGoesReadyByTheTimer) {
    bool in_time = true;
    auto patient = [](int fd, bool& result) -> Task<> { result = co_await readable(fd, 10ns); };
    const TaskHandle task = scheduler.spawn({}, patient(ends[0], in_time));
    scheduler.run_until_idle();
    advance(10ns);
    scheduler.run_until_idle();
    EXPECT_FALSE(in_time);
    EXPECT_EQ(story_of(task).at(3), "Ready timer");
}

TEST_F(Io, ACancelledWaitLeavesTheDescriptorForTheNext) {
    const TaskHandle first = scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    first.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(first.state(), TaskState::Cancelled);
    const TaskHandle second = scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    send();
    scheduler.run_until_idle();
    EXPECT_EQ(second.state(), TaskState::Finished);
}

TEST_F(Io, ADescriptorThatIsNotOpenIsAnErrorOfTheTask) {
    auto wrong = [](int fd) -> Task<> { co_await readable(fd); };
    const TaskHandle task = scheduler.spawn({}, wrong(-1));
    scheduler.run_until_idle();
    EXPECT_THAT(story_of(task).back(), ::testing::StartsWith("Failed cannot wait for the descriptor"));
}

TEST_F(Io, ADescriptorThatWasClosedAndOpenedAgainIsWaitedForAnew) {
    scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    send();
    scheduler.run_until_idle();
    const int number = ends[0];
    ::close(ends[0]);
    ::close(ends[1]);
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    ASSERT_EQ(ends[0], number);
    const TaskHandle again = scheduler.spawn({}, reader(ends[0], 1));
    scheduler.run_until_idle();
    EXPECT_EQ(again.state(), TaskState::Waiting);
    send();
    scheduler.run_until_idle();
    EXPECT_EQ(again.state(), TaskState::Finished);
}

}  // namespace
}  // namespace tiffany::testing
