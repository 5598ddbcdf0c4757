// What docs/scheduler.md shows of the pool, as it stands there; tests/integration/examples.py holds the two together.

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

TEST(SchedulerPage, ItsPoolCrunchesAllChunks) {
    EXPECT_EQ(crunch_all(), 5050);
}
