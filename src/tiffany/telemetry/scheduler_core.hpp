#pragma once
/// What a SchedulerTelemetry owns: its workers and its groups. Shared with the threads that hold one of its workers,
/// which may outlive it.

#include <array>
#include <atomic>
#include <bitset>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tiffany/telemetry/detail/lttng_patience.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <tiffany/telemetry/task_list.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <vector>

#include "dump_tellers.hpp"
#include "dump_turn.hpp"
#include "ended_workers.hpp"
#include "process.hpp"
#include "ready_age.hpp"
#include "run_delay.hpp"
#include "stall_watch.hpp"

namespace tiffany::detail {

inline constexpr std::size_t kGroupBytes = 64;

// So long who ends something waits for a thread that is in the middle of an event: what a worker that begins takes
// where LTTng's consumer is dead, and some more. One that takes longer is in the hands of a debugger, say, or in a
// channel that blocks for ever.
inline constexpr std::uint64_t kMostWaitNs = LttngPatience::kGiveUpNs + 500'000'000;

struct SchedulerCore : std::enable_shared_from_this<SchedulerCore> {
    /// Errors: std::invalid_argument, bounds of buckets that do not rise.
    SchedulerCore(std::string_view scheduler_name, Clock& its_clock, bool with_metrics, const MetricsBuckets& buckets);
    ~SchedulerCore();
    SchedulerCore(const SchedulerCore&) = delete;
    SchedulerCore& operator=(const SchedulerCore&) = delete;

    /// A worker for the calling thread: one that was given back, or a new one; `refused` when there is none to be had,
    /// or this is closed meanwhile. Who calls it shares in the ownership of this.
    Worker& take(bool has_loop);
    /// The calling thread gives its worker back. Also after this was closed; the clock is not read then, unless it is
    /// the system's.
    void give_back(Worker& worker) noexcept;
    /// The calling thread ends, and has not given back this worker that it leased: it calls no hook of it any more.
    void end_thread(Worker& worker) noexcept;
    /// The worker that the calling thread holds; null if it holds none. Locks.
    Worker* held_here() noexcept;
    /// A worker that a foreign hook took is a runtime's own from now on.
    void give_loop(Worker& worker) noexcept;
    /// The thread that holds this worker spawns nothing but in tasks that run there.
    void set_runs_only(const Worker& worker) noexcept;
    /// The runtime is gone. Waits for the workers whose threads have them tell that they begin, or of a new sink, and
    /// for the watch, for 2.5 s at most. Then tells that those end whose threads are done with them: the calling
    /// thread's own, those whose threads have ended, and where no task lives those of foreign threads and of such as
    /// only run tasks. What another living thread holds is left to that thread (ADR 56).
    void close() noexcept;
    /// @param fork  its number, for InheritedMark; 0 = there are no more numbers
    void become_child(std::uint64_t instance, std::uint8_t fork) noexcept;
    /// In a forked child: the gauges do not know of all inherited tasks yet, and a list of them is there.
    bool wants_inherited() const noexcept {
        return inherits.load(std::memory_order_relaxed) != 0 && !inherited_listed.load(std::memory_order_relaxed);
    }

    /// A sink was installed: gives each worker that is held a ring to it.
    void offer_rings() noexcept;
    /// The calling thread's worker need not wait for its next tick to see who listens.
    void catch_up(Worker& by) noexcept;
    /// The sink whose rings have this owner is uninstalled: no worker takes one of them up any more.
    void withdraw_rings(const void* owner) noexcept;

    std::uint16_t group(std::string_view name, Worker& by);
    /// Fires `scheduler_group` for each group, unless all are told in this generation. Any worker.
    void tell_groups(Worker& by, std::uint32_t generation, Stamp at) noexcept;
    static void tell_group(Worker& by, std::uint16_t number, const char* name, Stamp at) noexcept;

    // ---- runs that do not end ----

    /// Has runs of more than that found; 0 = no more. Errors: std::bad_alloc; std::system_error, no thread to be had.
    void watch(std::uint64_t bound_ns);
    /// In a forked child the thread that watches is not there: starts another. Cost where nobody watches: a load.
    void keep_watching() noexcept;
    // for StallWatch
    /// A run that is to be told of by this watch.
    std::optional<Stall> find_stall(const StallWatch& by) noexcept;
    void set_stall_told(const Stall& stall) noexcept;
    /// On the worker of the thread that watches. Returns whether anybody listens.
    bool tell_stall(Worker& by, const Stall& stall) noexcept;

    // ---- the scrape: snapshot.cpp ----

    /// Reads a file a thread, then locks.
    MetricsSnapshot snapshot(bool each_worker);
    /// Its part of it: whose run delay is wanted, before it is read without a lock; and all that is added up.
    void want_delays(RunDelays& delays);
    MetricsSnapshot read(const RunDelays& delays, bool each_worker);
    std::uint64_t count(TaskEvent event) const;
    std::uint64_t transitions() const;
    std::size_t held_workers() const;

    const std::string name;
    Clock& clock;
    const bool metrics;
    const Bounds run_bounds;
    const Bounds wait_bounds;
    const Bounds ready_bounds;
    Process& process;
    // On lines of their own, with all that follows: who takes a worker and who scrapes writes here, while hooks read
    // what is above.
    alignas(64) std::atomic<bool> closed{false};  // no lock needed to read
    std::atomic<TaskList*> task_list{nullptr};    // the runtime's. Read when a dump begins and while it goes on
    DumpTurn dump_turn{process.generation()};
    DumpTellers dump_tellers;
    // In a forked child, with metrics and a list at the fork: the fork's number, else 0 (writer: the fork handler); and
    // whether all tasks were gone over since
    std::atomic<std::uint8_t> inherits{0};
    std::atomic<bool> inherited_listed{false};
    std::atomic<std::size_t> delays_turn{0};       // for RunDelays, of those who ask for its name
    std::atomic<std::uint64_t> stall_bound_ns{0};  // runs of more are told of; 0 = nobody watches

  private:
    struct WorkerDeleter {
        void operator()(Worker* worker) const noexcept;
    };
    using Owned = std::unique_ptr<Worker, WorkerDeleter>;

    struct Held {
        Worker* worker;
        pthread_t thread;
        std::optional<std::uint64_t> run_delay_ns;  // the thread's, when it took the worker; or as it was first read
        bool has_loop;                              // runs tasks, and parks when there are none
        std::uint64_t hold;                         // its number
        bool leaves;             // its thread tells that it stops, and will give it back; or who closes this does
        bool catches_up;         // its thread tells that it begins, or of a new sink: who closes this waits for that
        bool runs_only = false;  // its thread spawns nothing but in tasks
        bool has_ended = false;  // its thread: the lease alone is left
        std::uint64_t stopped = kUntold;  // after this was closed: the last seq it was told to have used
    };
    static constexpr std::uint64_t kUntold = ~std::uint64_t{0};
    // Workers that were given back and are kept for the next threads. Of more the one that was given back first goes:
    // what a crowd of threads that ended has left would not be used again.
    static constexpr std::size_t kMostFree = 16;
    struct Begun {
        Worker& worker;
        Stamp at;
    };
    Begun hold_one(bool has_loop, std::optional<std::uint64_t> delay_ns);
    Stamp begin_to_tell(const Worker& worker) noexcept;
    bool end_telling(const Begun& begun) noexcept;
    Stamp begin_to_leave(Worker& worker, std::optional<std::uint64_t> delay_ns) noexcept;
    void end_watch(std::uint64_t until_ns) noexcept;
    void end(const std::shared_ptr<StallWatch>& watch, std::uint64_t until_ns) noexcept;
    bool is_in_an_event(pthread_t thread) noexcept;
    std::uint64_t sum(TaskEvent event) const noexcept;
    bool has_live_tasks() noexcept;
    bool leave_all(bool may_wait) noexcept;
    Worker* next_to_stop(bool tasks_live) noexcept;
    void end_stopping(Worker& worker) noexcept;
    void leave_closed(Worker& worker) noexcept;
    std::uint64_t keep_left_out() noexcept;
    void give_up(const Worker& worker) noexcept;
    bool fold_one() noexcept;
    void retire(const Worker& worker) noexcept;
    void offer_ring(Worker& worker, bool held) noexcept;
    std::uint16_t find_group(const std::array<char, kGroupBytes>& wanted, bool& is_told);
    // Behind it: held_, left_, free_, all_, stall_watch_, ended_, ready_age_, closed, the writing of groups, what has
    // been told. No event is fired while it is held: LTTng may let its thread wait (ADR 53), and others not.
    std::mutex& mutex() const noexcept { return process.workers_mutex(); }
    struct Moves;
    MetricsSnapshot add_up(const RunDelays& delays, bool each_worker);
    static void keep_delay(Held& held, std::optional<std::uint64_t> now_ns) noexcept;
    void add_groups(WorkSnapshot& to) const;
    static void add_times(WorkSnapshot& total, const Shard& shard, ToldPending& told, ToldPending& told_waits) noexcept;
    std::optional<std::uint64_t> read_delay(std::uint32_t thread) const noexcept;
    std::vector<Owned> all_;
    std::vector<Worker*> free_;
    std::vector<Held> held_;
    std::vector<Held> left_;  // of those, when this was closed: whose threads may go on. They keep their indices
    Stamp closed_at_;
    std::shared_ptr<StallWatch> stall_watch_;
    std::unique_ptr<EndedWorkers> ended_;  // with metrics; null: none has ended
    std::uint64_t ended_transitions_ = 0;  // of workers that have ended
    ReadyAge ready_age_;

  public:
    Owned refused;  // what a thread gets when all indices are in use: it counts hooks and fires nothing

  private:
    // a group's name is written before the count that makes it visible, and never again
    std::array<std::array<char, kGroupBytes>, kMaxGroups> groups_{};
    std::atomic<std::uint16_t> group_count_{1};
    std::bitset<kMaxGroups> told_once_;
    std::atomic<std::uint32_t> groups_told_{0};  // the generation in which they were told last
};

/// The calling thread's workers need not wait for their next ticks to see who listens; but for one that is leased at
/// the end of a thread or of the process, which the thread no longer knows of.
void catch_up_here() noexcept;

/// As tiffany::named_snapshots, if `of` is null; else as SchedulerTelemetry::named_snapshot_source, and empty if no
/// scheduler of that name lives.
std::vector<MetricsSnapshot> named_snapshots(SchedulerCore* of, bool each_worker);

}  // namespace tiffany::detail
