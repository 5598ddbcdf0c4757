#pragma once
/// Statistics of a log: what happened how often, how tasks ended, how long they ran, waited and were ready.
///
///     TaskStats stats;
///     pal::read_log("run.pal", stats);
///     const TaskReport report = stats.finish();
///     for (const KindOfTask& kind : report.kinds) std::cout << kind.times.run.percentile(990) << '\n';
///
/// A duration belongs to the scheduler of the worker that fired the record, and to the group and name of its task. Both
/// may be told later than the first records (a trace that began late): the first durations of a task that were seen
/// meanwhile (`max_pending`) are kept until then, the rest is "(unknown)".

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tiffany/analysis/durations.hpp>
#include <tiffany/pal/dump_watch.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::analysis {

inline constexpr const char* kUnknownName = "(unknown)";  ///< nobody told the name
inline constexpr const char* kOtherName = "(other)";      ///< more names than are kept

struct TaskStatsOptions {
    std::size_t max_names = 1000;    ///< distinct task names that are kept; the rest is "(other)"; at most 65,000
    std::size_t max_pending = 64;    ///< durations kept for a task whose name is not known yet
    std::size_t kept_ended = 4'096;  ///< tasks that ended and are still known, for records that come late
};

/// The times of some tasks.
struct TaskTimesSeen {
    std::uint64_t spawned = 0;
    std::uint64_t done = 0;
    std::uint64_t failed = 0;
    std::uint64_t cancelled = 0;
    std::uint64_t stalls = 0;            ///< runs that were told of before they ended
    std::uint64_t longest_stall_ns = 0;  ///< of these runs: whole, or what was told of one whose end was not seen
    Durations run{kDefaultBounds};
    Durations ready{kReadyBounds};
    std::vector<Durations> wait{};  ///< by WaitKind, kWaitKinds of them; `none` stays empty

    TaskTimesSeen();
    void merge(const TaskTimesSeen& other);
    Durations waits() const;  ///< of all kinds together
};

/// Tasks of one scheduler, group and name.
struct KindOfTask {
    std::string scheduler;
    std::string group;  ///< empty: the default one; "#3": no record told its name; "(other)": no group's number
    std::string name;
    TaskTimesSeen times;
};

struct SchedulerCounts {
    std::string scheduler;
    std::array<std::uint64_t, kTransitions> transitions{};  ///< by TaskEvent
};

struct TaskReport {
    std::uint64_t records = 0;
    std::uint64_t transitions = 0;                        ///< of these, those of unknown events too
    std::array<std::uint64_t, kEvents> events{};          ///< by EventId
    std::map<std::string, std::uint64_t> unknown_events;  ///< of a newer catalogue
    std::uint64_t gaps = 0;                               ///< Gap entries
    std::uint64_t tasks = 0;                              ///< that a transition, a dump or a stall told of
    std::uint64_t live = 0;                               ///< of these: their end was not seen
    std::uint64_t unseen_start = 0;                       ///< of these: Spawned was not seen
    std::uint64_t dumped_start = 0;                       ///< of those: a state dump told of them
    std::uint64_t unnamed = 0;                            ///< of these: neither Spawned nor State told the name
    std::uint64_t workers = 0;                            ///< that a record named
    std::uint64_t workers_unknown = 0;                    ///< of these: their scheduler was not told
    std::uint64_t tasks_other = 0;                        ///< tasks under "(other)"
    std::vector<SchedulerCounts> schedulers;              ///< by name
    pal::DumpReport dumps;                                ///< state dumps
    std::vector<KindOfTask> kinds;                        ///< by scheduler, group and name
    bool has_end = false;                                 ///< false: the log was cut
};

/// Not shared between threads. Memory grows with live tasks, workers (less than 1 kB for one that did next to
/// nothing) and distinct names (bounded), not with the log.
class TaskStats : public pal::EntrySink {
  public:
    explicit TaskStats(const TaskStatsOptions& options = {});
    ~TaskStats() override;
    TaskStats(const TaskStats&) = delete;
    TaskStats& operator=(const TaskStats&) = delete;

    void begin(const pal::Begin& begin) override;
    void record(const pal::Record& record) override;
    void gap(const pal::Gap& gap) override;
    void end(const pal::End& end) override;

    /// Call once, after the last entry, whether the log had its End or not.
    TaskReport finish();

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace tiffany::analysis
