#include <gtest/gtest.h>

#include <tiffany/pal/dump_watch.hpp>

#include "logs.hpp"

namespace tiffany::pal::test {
namespace {

Record dumped(DumpPhase phase, std::uint64_t generation, std::uint64_t tasks = 0, std::uint16_t worker = 1) {
    Record record = make(EventId::WorkerDumped,
                         {{"phase", static_cast<std::uint64_t>(phase)}, {"generation", generation}, {"tasks", tasks}});
    record.worker.index = worker;
    record.set_text("scheduler", "pool");
    return record;
}
Record begin(std::uint64_t generation, std::uint16_t worker = 1) {
    return dumped(DumpPhase::begin, generation, 0, worker);
}
Record end(std::uint64_t generation, std::uint64_t tasks, std::uint16_t worker = 1) {
    return dumped(DumpPhase::end, generation, tasks, worker);
}
Record task(std::uint16_t worker = 1) {
    Record record = make(EventId::State);
    record.worker.index = worker;
    return record;
}

void expect(const std::vector<Record>& log, std::uint64_t whole, std::uint64_t incomplete) {
    DumpWatch watch;
    for (const Record& record : log)
        watch.record(record);
    const DumpReport report = watch.finish();
    EXPECT_EQ(report.whole, whole);
    EXPECT_EQ(report.incomplete, incomplete);
}

TEST(DumpWatch, ADumpIsWholeWithItsEndAndAllItsTasks) {
    expect({}, 0, 0);
    expect({begin(2), end(2, 0)}, 1, 0);
    expect({begin(2), task(), task(), end(2, 2)}, 1, 0);
}

TEST(DumpWatch, ADumpWithoutItsEndOrWithFewerTasksIsIncomplete) {
    expect({begin(2), task()}, 0, 1);
    expect({begin(2), task(), end(2, 2)}, 0, 1);
    expect({task(), end(2, 1)}, 0, 1);  // its begin was lost, and who knows what else
}

TEST(DumpWatch, ADumpOfALaterGenerationTakesTheUnfinishedOnesPlace) {
    expect({begin(2), task(), begin(3), task(), task(), end(3, 2)}, 1, 0);
    expect({begin(2), end(2, 1), begin(3), end(3, 0)}, 1, 1);
    expect({begin(2), task(), end(2, 1), begin(3)}, 1, 1);
}

TEST(DumpWatch, TasksCountForTheWorkerThatToldOfThem) {
    expect({begin(2), begin(2, 2), task(), task(2), end(2, 1)}, 1, 0);
    expect({begin(2), begin(2, 2), task(2), task(2), end(2, 1)}, 0, 1);
}

TEST(DumpWatch, TwoSchedulersHaveDumpsOfTheirOwn) {
    Record other = begin(2, 5);
    other.set_text("scheduler", "other");
    expect({begin(2), other, end(2, 0)}, 1, 1);
}

TEST(DumpWatch, AWorkerThatCameLateEndsItOnceMore) {
    expect({begin(2), task(), end(2, 1), begin(2, 2), task(2), end(2, 1, 2)}, 1, 0);
    expect({begin(2), task(), end(2, 1), begin(2, 2), end(2, 1, 2)}, 0, 1);
}

}  // namespace
}  // namespace tiffany::pal::test
