#pragma once
/// Which state dumps of a log are whole: what is known of tasks that were there before the tracer.
///
///     DumpWatch dumps;
///     for (const Record& record : log) dumps.record(record);
///     const DumpReport report = dumps.finish();
///
/// Each worker tells of a dump's begin; one of them lists its scheduler's live tasks and tells of the end, with how
/// many it told of since its begin. A dump is whole if its end is there and as many `State` records of that worker. One
/// that a later dump of the same scheduler took the place of, before its end, is counted as neither.

#include <cstdint>
#include <map>
#include <string>
#include <tiffany/pal/record.hpp>
#include <utility>

namespace tiffany::pal {

struct DumpReport {
    std::uint64_t whole = 0;
    /// Without an end (the trace ended, the end was lost, or the runtime has no list of its tasks), or with fewer tasks
    /// than its end tells of.
    std::uint64_t incomplete = 0;
};

/// Not shared between threads. Memory grows with workers and schedulers. Takes the records of each worker in the order
/// in which it fired them.
class DumpWatch {
  public:
    /// Any record; others than `WorkerDumped` and `State` are passed over.
    void record(const Record& record) {
        if (record.info == nullptr) return;
        if (record.info->id == EventId::State)
            ++workers_[record.worker].tasks;
        else if (record.info->id == EventId::WorkerDumped)
            dumped(record);
    }
    /// Call once, after the last record.
    DumpReport finish();

  private:
    struct Dump {
        std::uint64_t generation = 0;
        bool ended = false;
        bool lacks = false;  // fewer tasks than told
    };
    struct Worker {
        std::uint64_t generation = 0;
        std::uint64_t tasks = 0;  // told since its begin
    };
    void dumped(const Record& record);
    void count(const Dump& dump);

    std::map<std::pair<std::uint64_t, std::string>, Dump> last_;  // by instance and scheduler
    std::map<WorkerId, Worker> workers_;
    DumpReport report_;
};

}  // namespace tiffany::pal
