// A scheduler that runs already is not run once more: by another thread, or from within.

#include <functional>
#include <stdexcept>
#include <thread>

#include <tiffany/scheduler/scheduler_pool.hpp>

#include "story.hpp"

namespace tiffany::testing {
namespace {

using ::testing::Each;

class Drive : public Scheduled {
  public:
    /// What each call that runs the scheduler says here; "it ran" if it does.
    std::vector<std::string> try_all() {
        const auto attempt = [](const std::function<void()>& call) -> std::string {
            try {
                call();
            } catch (const std::logic_error& refused) {
                return refused.what();
            }
            return "it ran";
        };
        return {attempt([this] { scheduler.run(); }), attempt([this] { scheduler.run_until_idle(); }),
                attempt([this] { scheduler.shutdown(1s); })};
    }

    static constexpr const char* kForeign = "cannot run scheduler test: it runs already, on another thread";
    static constexpr const char* kNested = "cannot run scheduler test: it runs already, and the call comes from within";
};

TEST_F(Drive, AnotherThreadIsRefusedWhileItRunsAndChangesNothing) {
    std::vector<std::string> said;
    auto meanwhile = [](Drive& test, std::vector<std::string>& heard) -> Task<> {
        std::thread{[&] { heard = test.try_all(); }}.join();
        co_await join(co_await spawn({.name = "it does not shut down"}, nothing()));
    };
    const TaskHandle task = scheduler.spawn({}, meanwhile(*this, said));
    const TaskHandle other = scheduler.spawn({}, sleep(1h));
    scheduler.run();
    EXPECT_THAT(said, Each(kForeign));
    EXPECT_EQ(task.state(), TaskState::Finished) << task.error();
    EXPECT_EQ(other.state(), TaskState::Finished);
}

TEST_F(Drive, ThreadsMayRunItOneAfterTheOther) {
    const TaskHandle task = scheduler.spawn({}, sleep(1h));
    std::thread{[&] { scheduler.run_until_idle(); }}.join();
    EXPECT_EQ(task.state(), TaskState::Sleeping);
    scheduler.run();
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Drive, ATaskThatRunsItsOwnSchedulerIsRefusedAndGoesOn) {
    std::vector<std::string> said;
    auto nests = [](Drive& test, std::vector<std::string>& heard) -> Task<> {
        heard = test.try_all();
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({}, nests(*this, said));
    const TaskHandle other = scheduler.spawn({}, sleep(1h));
    scheduler.run();
    EXPECT_THAT(said, Each(kNested));
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Done"));
    EXPECT_EQ(other.state(), TaskState::Finished);
    EXPECT_THAT(try_all(), Each("it ran"));
}

TEST_F(Drive, AFunctionThatWasPostedIsRefused) {
    std::vector<std::string> said;
    scheduler.post([&] { said = try_all(); });
    scheduler.run();
    EXPECT_THAT(said, Each(kNested));
}

TEST_F(Drive, ATaskMayRunAnotherSchedulerButThatNotTheFirst) {
    Scheduler inner{{.name = "inner", .clock = &clock}};
    std::vector<std::string> said;
    auto within = [](Drive& test, std::vector<std::string>& heard) -> Task<> {
        heard = test.try_all();
        co_return;
    };
    auto nests = [](Scheduler& other) -> Task<> {
        other.run();
        co_await yield();
    };
    const TaskHandle innermost = inner.spawn({}, within(*this, said));
    const TaskHandle task = scheduler.spawn({}, nests(inner));
    scheduler.run();
    EXPECT_THAT(said, Each(kNested));
    EXPECT_EQ(innermost.state(), TaskState::Finished);
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Drive, AnotherThreadThatCancelsAllWhileItRunsIsRefusedAndAsksNobody) {
    std::string said;
    auto meanwhile = [](Scheduler& own, std::string& heard) -> Task<> {
        std::thread{[&] {
            try {
                own.cancel_all();
            } catch (const std::logic_error& refused) {
                heard = refused.what();
            }
        }}.join();
        co_await yield();
    };
    const TaskHandle sleeper = scheduler.spawn({}, sleep(1h));
    const TaskHandle task = scheduler.spawn({}, meanwhile(scheduler, said));
    scheduler.run();
    EXPECT_EQ(said, "cannot cancel all tasks of scheduler test: another thread runs it");
    EXPECT_EQ(sleeper.state(), TaskState::Finished);
    EXPECT_EQ(task.state(), TaskState::Finished);
}

/// What a call throws; empty: nothing.
std::string refusal(const std::function<void()>& call) {
    try {
        call();
        return {};
    } catch (const std::logic_error& refused) {
        return refused.what();
    }
}

TEST_F(Drive, ATaskCannotCloseItsSchedulerAndGoesOn) {
    std::string said;
    auto closes = [](Scheduler& its, std::string& heard) -> Task<> {
        heard = refusal([&] { its.close(); });
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({}, closes(scheduler, said));
    scheduler.run();
    EXPECT_EQ(said, "cannot close scheduler test: the call comes from within one of its tasks");
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Drive, AnotherThreadCannotCloseItWhileItRuns) {
    std::string said;
    auto waits = [](Scheduler& its, std::string& heard) -> Task<> {
        std::thread{[&] { heard = refusal([&] { its.close(); }); }}.join();
        co_await yield();
    };
    const TaskHandle task = scheduler.spawn({}, waits(scheduler, said));
    scheduler.run();
    EXPECT_EQ(said, "cannot close scheduler test: it runs, on another thread");
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Drive, AFunctionThatWasPostedMayCloseIt) {
    const TaskHandle task = scheduler.spawn({}, sleep(1h));
    scheduler.post([&] { scheduler.close(); });
    scheduler.run();
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

TEST(PoolDrive, ItsOwnThreadsAreRefusedWhatWouldWaitForThem) {
    std::vector<std::string> said;
    SchedulerPool pool{{.name = "pool"}, {.workers = 2}};
    auto asks = [](SchedulerPool& its, std::vector<std::string>& heard) -> Task<> {
        heard = {refusal([&] { its.wait(); }), refusal([&] { its.shutdown(1h); }), refusal([&] { its.close(); })};
        co_await yield();
    };
    const TaskHandle task = pool.spawn({}, asks(pool, said));
    pool.wait();
    EXPECT_EQ(task.state(), TaskState::Finished) << task.error();
    EXPECT_THAT(said,
                ::testing::ElementsAre("cannot wait for scheduler pool: the call comes from one of its own threads",
                                       "cannot shut down scheduler pool: the call comes from one of its own threads",
                                       "cannot close scheduler pool: the call comes from one of its own threads"));
}

TEST_F(Drive, AStopCutsTheDrainOfAShutdownShort) {
    const TaskHandle task = scheduler.spawn({}, sleep(1h));
    scheduler.post([&] { scheduler.stop(); });
    EXPECT_FALSE(scheduler.shutdown(1h * 24));
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

}  // namespace
}  // namespace tiffany::testing
