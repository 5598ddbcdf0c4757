#pragma once
/// What the tests of state dumps share: a list of tasks, and what was told of them.

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>
#include <vector>

#include "recorded.hpp"

namespace tiffany::testing {

using namespace std::chrono_literals;

/// The most plain list: tasks in a row, whose places are the cursors.
class Row final : public TaskList {
  public:
    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override {
        if (const auto first = std::exchange(before_list, nullptr)) first();
        const std::lock_guard lock{mutex};
        ++calls;
        for (; cursor < tasks.size(); ++cursor) {
            if (!taker.wants_more()) return cursor;
            taker.take(tasks[cursor]);
        }
        return kEnd;
    }

    std::mutex mutex;
    std::deque<TaskTimes> tasks;
    int calls = 0;
    std::function<void()> before_list;  // what another thread does, once, when a worker is about to list
};

class Dump : public Recorded {
  protected:
    VirtualClock clock;
    SchedulerTelemetry telemetry{"dump", {.metrics = true, .clock = &clock}};
    Row row;
    TaskTimes ticked;

    Dump() { telemetry.list_tasks_by(&row); }

    void tick(Worker& worker) { const Worker::Tick one{worker, ticked}; }
    static std::vector<tiffany_dump_worker> dumps(DumpPhase phase) {
        std::vector<tiffany_dump_worker> found;
        for (const Fired& fired : recording().of(EventId::WorkerDumped))
            if (const auto dump = fired.as<tiffany_dump_worker>(); dump.phase == static_cast<std::uint8_t>(phase))
                found.push_back(dump);
        return found;
    }
    static std::vector<tiffany_dump_task> told() {
        std::vector<tiffany_dump_task> found;
        for (const Fired& fired : recording().of(EventId::State))
            found.push_back(fired.as<tiffany_dump_task>());
        return found;
    }
    static std::set<std::uint64_t> told_tids() {
        std::set<std::uint64_t> tids;
        for (const tiffany_dump_task& task : told())
            tids.insert(task.tid);
        return tids;
    }
    void tick_until_the_end(Worker& worker, std::size_t ends = 1) {
        const auto deadline = std::chrono::steady_clock::now() + 60s;
        while (dumps(DumpPhase::end).size() < ends) {
            ASSERT_LT(std::chrono::steady_clock::now(), deadline) << "no end";
            tick(worker);
        }
    }
    TaskTimes& spawn(Worker& worker, const char* name = "t") {
        TaskTimes& task = row.tasks.emplace_back();
        worker.spawned(task, {.name = name});
        return task;
    }
    /// Of 600 tasks that were there before the session it has told of 256.
    void dump_half_way(Worker& worker) {
        for (int i = 0; i < 600; ++i)
            spawn(worker);
        start_session();
        tick(worker);
        tick(worker);
        ASSERT_EQ(told().size(), 256u);
    }
};

}  // namespace tiffany::testing
