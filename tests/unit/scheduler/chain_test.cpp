// Coroutines that await coroutines.

#include <memory>

#include "story.hpp"

namespace tiffany::testing {
namespace {

class Chain : public Scheduled {};

Task<int> answer() {
    co_await yield();
    co_return 42;
}

Task<int> depth(int left) {
    if (left == 0) co_return 0;
    co_return 1 + co_await depth(left - 1);
}

Task<> deep_sleep(int left, int& destroyed) {
    struct Guard {
        int& count;
        ~Guard() { ++count; }
    };
    const Guard guard{destroyed};
    if (left == 0) {
        co_await sleep_for(1h);
    } else {
        co_await deep_sleep(left - 1, destroyed);
    }
}

TEST_F(Chain, AResultComesOutOfTheAwait) {
    int got = 0;
    auto asker = [&]() -> Task<> { got = co_await answer(); };
    const TaskHandle task = scheduler.spawn({}, asker());
    scheduler.run_until_idle();
    EXPECT_EQ(got, 42);
    EXPECT_THAT(story_of(task), ElementsAre("Spawned Ready", "Running", "Yield", "Running", "Done"));
}

TEST_F(Chain, AResultMayBeMoveOnly) {
    auto maker = []() -> Task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    int got = 0;
    auto asker = [&]() -> Task<> { got = *co_await maker(); };
    scheduler.spawn({}, asker());
    scheduler.run_until_idle();
    EXPECT_EQ(got, 7);
}

TEST_F(Chain, AnExceptionComesOutOfTheAwait) {
    std::string got;
    auto asker = [&]() -> Task<> {
        try {
            co_await fail("inner");
        } catch (const std::runtime_error& error) {
            got = error.what();
        }
    };
    const TaskHandle task = scheduler.spawn({}, asker());
    scheduler.run_until_idle();
    EXPECT_EQ(got, "inner");
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Chain, ManyAwaitsThatCompleteAtOnceUseNoStack) {
    auto looper = []() -> Task<> {
        auto empty = []() -> Task<> { co_return; };
        for (int i = 0; i < 1'000'000; ++i)
            co_await empty();
    };
    const TaskHandle task = scheduler.spawn({}, looper());
    scheduler.run_until_idle();
    EXPECT_EQ(task.state(), TaskState::Finished);
}

TEST_F(Chain, ADeepChainUsesNoStack) {
    int got = 0;
    auto asker = [&]() -> Task<> { got = co_await depth(200'000); };
    scheduler.spawn({}, asker());
    scheduler.run_until_idle();
    EXPECT_EQ(got, 200'000);
}

TEST_F(Chain, ADeepChainIsCancelledWithoutStack) {
    int destroyed = 0;
    const TaskHandle task = scheduler.spawn({}, deep_sleep(100'000, destroyed));
    scheduler.run_until_idle();
    task.cancel();
    scheduler.run_until_idle();
    EXPECT_EQ(destroyed, 100'001);
    EXPECT_EQ(task.state(), TaskState::Cancelled);
}

TEST_F(Chain, ADeepChainIsDestroyedWithoutStack) {
    int destroyed = 0;
    scheduler.spawn({}, deep_sleep(200'000, destroyed));
    scheduler.run_until_idle();
    scheduler.close();
    EXPECT_EQ(destroyed, 200'001);
}

TEST_F(Chain, ACoroutineThatIsDroppedNeverRuns) {
    bool ran = false;
    auto setter = [&]() -> Task<> {
        ran = true;
        co_return;
    };
    { const Task<> dropped = setter(); }
    scheduler.run_until_idle();
    EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace tiffany::testing
