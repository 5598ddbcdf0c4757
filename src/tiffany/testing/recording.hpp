#pragma once
/// What a MemorySink was told, as a value: every record and gap of a run, in order, with the questions that tests ask.
///
///     const Recording run = sink.recording();
///     const TaskLife sleeper = run.task("sleeper");
///     EXPECT_EQ(sleeper.steps.back().info->name, "Done");
///     EXPECT_TRUE(run.lifecycle().good());
///
/// Not shared between threads: a plain value.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <tiffany/pal/lifecycle.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::testing {

/// What a task told of itself, or was told of it: Worker::note.
struct TaskNote {
    std::string key;
    std::string value;
    friend bool operator==(const TaskNote&, const TaskNote&) = default;
};

/// The transitions of one task, and its notes.
struct TaskLife {
    std::uint64_t tid = 0;
    std::string name;                ///< as Spawned tells it; empty if that is not there
    std::vector<pal::Record> steps;  ///< by rising step, in the order of arrival where one comes twice
    std::vector<TaskNote> notes;     ///< in the order of their time

    /// The last one with that key; empty if there is none.
    std::string_view note(std::string_view key) const;
};

class Recording {
  public:
    Recording() = default;
    /// @param records  of each worker in the order in which they fired. One that is older than the record before it of
    ///                 the same worker, because its hook was given an older stamp, takes that one's ts.
    Recording(std::vector<pal::Record> records, std::vector<pal::Gap> gaps);

    /// By (ts, worker); those of one worker always in the order in which they fired, which is that of its seq.
    /// Not of a temporary: a loop over it would outlive the recording.
    std::span<const pal::Record> records() const& { return records_; }
    std::span<const pal::Record> records() const&& = delete;
    std::span<const pal::Gap> gaps() const& { return gaps_; }
    std::span<const pal::Gap> gaps() const&& = delete;
    /// Transitions that the gaps tell of. Not 0: the ring was too small for the test (SinkOptions::ring_bytes).
    std::uint64_t lost() const;

    /// All tasks that made a transition, by tid. Tid 0: hooks on tasks that were never spawned.
    std::vector<TaskLife> tasks() const;
    /// One task; without steps if it made none, and without notes if there are none.
    TaskLife task(std::uint64_t tid) const;
    /// The one task that was spawned with that name. Errors: std::out_of_range, none or several have it: with the tids
    /// of these, for `task(tid)`, and the names of the others.
    TaskLife task(std::string_view name) const;

    /// Each worker once, in the order in which they appear.
    std::vector<pal::WorkerId> workers() const;
    /// What one worker told, in the order in which it fired. Without Stalled, which another thread tells of it.
    std::vector<pal::Record> of_worker(const pal::WorkerId& worker) const;

    /// What `paltrace check` would say of this run.
    pal::LifecycleReport lifecycle() const;

    /// Pushes the run as one log: Begin, records and gaps, End.
    void write(pal::EntrySink& log) const;
    /// The same as the bytes of a PAL log (docs/pal.md).
    std::string pal_log() const;

  private:
    std::vector<pal::Record> records_;
    std::vector<pal::Gap> gaps_;
};

}  // namespace tiffany::testing
