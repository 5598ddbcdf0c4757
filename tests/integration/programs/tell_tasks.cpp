// tell_tasks: two workers of a scheduler share in telling a tracer that comes late of 20 tasks. One tells of a task
// that has an event, the other lists the rest, and stands until SIGTERM. First says on one line: 20 tasks stand.

#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <deque>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>

namespace {

volatile std::sig_atomic_t asked_to_end = 0;
constexpr unsigned kPauseUs = 1000;

// no lock: one thread at a time is there, and no task comes or goes
class Row final : public tiffany::TaskList {
  public:
    std::uint64_t list(std::uint64_t cursor, tiffany::TaskTaker& taker) noexcept override {
        for (; cursor < tasks.size(); ++cursor) {
            if (!taker.wants_more()) return cursor;
            taker.take(tasks[cursor]);
        }
        return kEnd;
    }

    std::deque<tiffany::TaskTimes> tasks = std::deque<tiffany::TaskTimes>(20);
};

/// Until a tracer came; then the task has an event before this worker, or another one, has listed any.
void tell_one(tiffany::Worker& worker, tiffany::TaskTimes& task) {
    while (asked_to_end == 0) {
        const tiffany::Worker::Tick tick{worker, task};
        if (worker.listens()) {
            worker.running(task);
            worker.yield(task);
            return;
        }
        usleep(kPauseUs);
    }
}

}  // namespace

int main() {
    std::signal(SIGTERM, [](int) { asked_to_end = 1; });
    tiffany::SchedulerTelemetry telemetry{"two", {.metrics = false}};
    const tiffany::WorkerLease lister = telemetry.worker();
    Row row;
    telemetry.list_tasks_by(&row);
    for (tiffany::TaskTimes& task : row.tasks)
        lister->spawned(task, {.name = "stands", .site = tiffany::Site::here()});
    std::printf("%zu tasks stand\n", row.tasks.size());
    std::fflush(stdout);
    std::thread{[&] {
        const tiffany::WorkerLease teller = telemetry.worker();
        tell_one(*teller, row.tasks.front());
    }}.join();
    while (asked_to_end == 0) {
        const tiffany::Worker::Tick tick{*lister, row.tasks.back()};
        usleep(kPauseUs);
    }
    telemetry.list_tasks_by(nullptr);
    return 0;
}
