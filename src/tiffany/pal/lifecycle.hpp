#pragma once
/// Checks that every task of a log lived a legal life, and that no worker's transition is missing unsaid.
///
///     LifecycleChecker checker;
///     read_log("run.pal", checker);
///     LifecycleReport report = checker.finish();
///     for (const std::string& finding : report.findings) std::cerr << finding << '\n';
///
/// It orders by `seq` and `step`, never by the position in the file. The rules are those of docs/pal.md.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tiffany/pal/dump_watch.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::pal {

struct LifecycleOptions {
    std::size_t max_findings = 20;  ///< how many are kept as text; all are counted
    std::size_t max_held = 262144;  ///< records kept back because an earlier step is missing, in all; past it the
                                    ///< missing steps are taken as lost
};

/// What was found. `findings` are broken rules; the numbers are what they rest on.
struct LifecycleReport {
    std::vector<std::string> findings;  ///< one line each, the first `max_findings`
    std::uint64_t findings_total = 0;

    std::uint64_t records = 0;
    std::uint64_t transitions = 0;
    std::uint64_t workers = 0;
    std::uint64_t workers_open = 0;  ///< whose end was not seen: what they did last may be missing
    std::uint64_t tasks = 0;         ///< seen in any way
    std::array<std::uint64_t, kTaskStates> tasks_by_state{};  ///< by TaskState at the end; None = not known
    std::uint64_t unseen_start = 0;    ///< tasks whose Spawned was not seen; not a broken rule by itself
    std::uint64_t dumped_start = 0;    ///< of these: the first that was seen of them is a state dump
    std::uint64_t missing_steps = 0;   ///< steps that losses or a late start of the trace explain
    std::uint64_t gaps = 0;            ///< Gap entries
    std::uint64_t lost = 0;            ///< transitions lost: of End, or of the gaps if there is no End
    std::uint64_t unknown_events = 0;  ///< records of events that this version does not know
    DumpReport dumps;                  ///< state dumps
    bool selection = false;            ///< only some events were recorded: lives were not judged
    bool has_end = false;              ///< false: the log was cut
    bool queues_checked = false;       ///< the ready queue's equation was checked: all was seen

    bool good() const { return findings_total == 0; }
    std::uint64_t ended(TaskState state) const { return tasks_by_state[static_cast<std::size_t>(state)]; }
    std::uint64_t live() const;  ///< tasks that had not ended, of known and unknown state
};

/// Not shared between threads. Memory grows with live tasks, with what was lost and with workers, not with the log.
class LifecycleChecker : public EntrySink {
  public:
    explicit LifecycleChecker(const LifecycleOptions& options = {});
    ~LifecycleChecker() override;
    LifecycleChecker(const LifecycleChecker&) = delete;
    LifecycleChecker& operator=(const LifecycleChecker&) = delete;

    void begin(const Begin& begin) override;
    void record(const Record& record) override;
    void gap(const Gap& gap) override;
    void end(const End& end) override;

    /// Judges what only the end can tell. Call once, after the last entry, whether the log had its End or not.
    LifecycleReport finish();

  private:
    class State;
    std::unique_ptr<State> state_;
};

}  // namespace tiffany::pal
