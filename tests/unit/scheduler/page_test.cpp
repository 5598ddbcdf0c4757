// What docs/scheduler.md shows beside its example, as it stands there; tests/integration/examples.py holds the two
// together.

#include <gtest/gtest.h>

#include <atomic>

// [docs/scheduler.md]
#include <tiffany/scheduler/scheduler_pool.hpp>

using namespace tiffany;

Task<> crunch(int chunk, std::atomic<long>& sum) {
    sum += chunk;
    co_return;
}

long crunch_all() {
    std::atomic<long> sum{0};
    SchedulerPool pool{{.name = "crunch"}, {.workers = 2}};
    for (int chunk = 1; chunk <= 100; ++chunk)
        pool.spawn({.name = "chunk"}, crunch(chunk, sum));
    pool.wait();  // until no task is alive
    return sum;
}
// [docs/scheduler.md]

// [docs/scheduler.md]
Task<> fetch() {
    co_await yield();
}

Task<> build() {
    const TaskHandle source = co_await spawn({.name = "fetch source"}, fetch());
    const TaskHandle tools = co_await spawn({.name = "fetch tools"}, fetch());
    const TaskRef needs[] = {source, tools};
    co_await join(co_await spawn({.name = "compile", .dependencies = needs}, fetch()));
}
// [docs/scheduler.md]

TEST(SchedulerPage, ItsPoolCrunchesAllChunks) {
    EXPECT_EQ(crunch_all(), 5050);
}

TEST(SchedulerPage, ItsBuildCompilesWhatItFetched) {
    Scheduler scheduler;
    const TaskHandle all = scheduler.spawn({}, build());
    scheduler.run();
    EXPECT_EQ(all.state(), TaskState::Finished);
}
