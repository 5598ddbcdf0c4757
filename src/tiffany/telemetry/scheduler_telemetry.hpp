#pragma once
/// A scheduler's telemetry: its name, its workers, its groups.
///
///     tiffany::SchedulerTelemetry telemetry{"io-pool"};
///     // in each thread of the runtime:
///     tiffany::WorkerLease lease = telemetry.worker();
///     tiffany::Worker& worker = *lease;
///     // in any other thread that spawns or wakes a task:
///     telemetry.here().ready(task.times, tiffany::WakeCause::external);

#include <tiffany/telemetry/config.hpp>
#include <tiffany/telemetry/tracing_status.hpp>  // IWYU pragma: export

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/scheduler_telemetry.hpp>  // IWYU pragma: export
#else

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <tiffany/telemetry/task_list.hpp>
#include <tiffany/telemetry/telemetry_options.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <vector>

namespace tiffany {

class SchedulerTelemetry;
namespace detail {
struct PoolWorker;
}  // namespace detail

/// A thread's hold on its worker. Moved, not copied. Given back in its destructor, by the same thread: that fires
/// `worker_stopped`, and the worker may be taken again by another thread, with `seq` going on.
class WorkerLease {
  public:
    WorkerLease() = default;
    WorkerLease(WorkerLease&& other) noexcept : core_{std::move(other.core_)}, worker_{other.worker_} {
        other.worker_ = nullptr;
    }
    WorkerLease& operator=(WorkerLease&& other) noexcept;
    ~WorkerLease();

    Worker& operator*() const noexcept { return *worker_; }
    Worker* operator->() const noexcept { return worker_; }

  private:
    friend class SchedulerTelemetry;
    friend struct detail::PoolWorker;
    WorkerLease(std::shared_ptr<detail::SchedulerCore> core, Worker* worker) noexcept
        : core_{std::move(core)}, worker_{worker} {}

    std::shared_ptr<detail::SchedulerCore> core_;
    Worker* worker_ = nullptr;
};

/// Thread-safe. The runtime cancels what is alive, and its threads give their workers back, before it dies; other
/// threads call no hook of it any more by then.
class SchedulerTelemetry {
  public:
    /// @param name  what it is called in traces and metrics: UTF-8, cut at 63 bytes; what is no UTF-8, or NUL, becomes
    ///              U+FFFD. Several schedulers with one name are one in the metrics, whose numbers are their sums.
    /// The first one in a process loads the LTTng provider, if it is there. Errors: std::bad_alloc;
    /// std::invalid_argument, bounds of buckets that do not rise, or more than 32.
    explicit SchedulerTelemetry(std::string_view name, const TelemetryOptions& options = {});
    /// Tells that the calling thread's worker ends, those whose threads have ended and, if all tasks have, with
    /// metrics, those that hooks took for foreign threads. What another living thread still leases ends with its lease
    /// or that thread, and nobody else gets its index before; what its hooks tell until then is in no metric. Waits for
    /// those which at this moment tell that they begin, or of a new sink, and for the watch: for LTTng they may wait 2
    /// s or so; after 2.5 s no longer. Then waits, within its flush_timeout, until an installed sink has everything,
    /// but for what a worker tells after that, and for the last word of one that a thread gives back at this moment.
    ~SchedulerTelemetry();
    SchedulerTelemetry(const SchedulerTelemetry&) = delete;
    SchedulerTelemetry& operator=(const SchedulerTelemetry&) = delete;

    /// Takes a worker for the calling thread, one that has a loop: it calls `Worker::Tick` or `park` regularly.
    /// Fires `worker_started`. Allocates and locks. Also while the thread or the process ends, in the destructor of a
    /// thread_local or a static, or in what atexit() calls. Errors: std::bad_alloc; std::logic_error, the thread
    /// holds one already.
    WorkerLease worker();

    /// The calling thread's worker: the one it took, or else one for a foreign thread, which is taken at the thread's
    /// first use (allocates and locks then) and given back when the thread ends. Cost after that: a thread-local load.
    /// Where the thread's workers were given back already, in the destructor of an older thread_local or of a pthread
    /// key, or after main, it is the leased one if there is one; else hooks fire nothing and are counted as refused.
    /// Locks each time then.
    /// What a foreign thread fires is counted as all the rest is; that it is busy is not, because it never parks.
    Worker& here() noexcept;

    /// Registers a kind of task; fires `scheduler_group`. Returns its number, 1 to 31; the same name gives the same
    /// number; 0, the default group, when 31 are taken or the name is empty. The name is cut and mended as the
    /// scheduler's. Any thread. Locks, allocates. Errors: std::bad_alloc; the group is not registered then.
    std::uint16_t group(std::string_view name);

    /// Who lists the live tasks for a tracer that begins when they are there already; null = nobody (task_list.hpp).
    /// Before the first `worker()`, or on a runtime's thread that has a loop. It is called by the runtime's own threads
    /// only: it lives until they have given their workers back. Any one thread at a time. Cost: a store.
    void list_tasks_by(TaskList* list) noexcept;

    /// Has a thread of its own look for runs that last for longer than `bound`; each is told of once, within about a
    /// quarter of the bound (10 ms at least, 1 s at most), while somebody listens: fires `Stalled`, with the worker and
    /// the task. Zero, or less: no more, and waits for the end of that thread; after 2.5 s no longer, if it is in the
    /// middle of an event then, for which LTTng lets it wait. To begin with it is what TIFFANY_STALL or Settings::stall
    /// says.
    ///
    /// Workers take it up at their next tick, park or (foreign threads) hook. Of a run that began before that the task
    /// is not known (tid 0), and without metrics the run neither: docs/stalls.md. A watched worker keeps what runs and
    /// since when: a clock read a hook, or none with a stamp; one that is not watched pays nothing. Any thread. Locks,
    /// allocates. Errors: std::bad_alloc; std::system_error, no thread to be had.
    void watch(std::chrono::nanoseconds bound);
    /// What runs are told of; 0 = nobody watches. Any thread. Cost: a load.
    std::chrono::nanoseconds watch_bound() const noexcept;

    /// As it is told: cut, and UTF-8.
    const std::string& name() const noexcept;
    Clock& clock() const noexcept;

    /// Transitions of one kind, summed over all its workers, those that were given back too. Any thread. Locks.
    /// 0 when metrics are off.
    std::uint64_t count(TaskEvent event) const;
    /// Transitions of all kinds: the sum of the workers' `seq`. Any thread. Locks.
    std::uint64_t transitions() const;

    /// All numbers at this moment. Any thread. Locks; reads /proc for the threads' run delay. Empty when metrics are
    /// off.
    /// @param each_worker  each worker's own as well
    MetricsSnapshot snapshot(bool each_worker = false) const;
    /// The same for an exporter that may outlive this: a function that gives nothing once this has died.
    std::function<std::optional<MetricsSnapshot>()> snapshot_source(bool each_worker = false) const;
    /// The same of all schedulers that have this one's name: those that live, and those that ended while another one of
    /// them lived. So no counter falls, and a scheduler that is alone with its name begins with 0.
    std::function<std::optional<MetricsSnapshot>()> named_snapshot_source(bool each_worker = false) const;

  private:
    std::shared_ptr<detail::SchedulerCore> core_;
};

/// All schedulers of the process that have metrics, one snapshot a name, in the order of the names: sums over those of
/// that name that live and those that ended, whenever that was; of the longest run and the oldest ready task the
/// longer. So no counter falls, and none begins anew, when a scheduler ends or begins. Of names that no scheduler has
/// any more the last 64 are told; they have counters, and gauges of 0. Histograms whose bounds differ are told on the
/// bounds that all have had; groups are one by name, and from the 32nd name on they count as the default one.
/// @param each_worker  each worker's own as well, of those that live
/// Any thread. Locks; reads /proc. Errors: std::bad_alloc.
std::vector<MetricsSnapshot> named_snapshots(bool each_worker = false);

struct WorkerCounts {
    std::uint64_t held = 0;     ///< that threads hold now, foreign ones too
    std::uint64_t indices = 0;  ///< of 65,536: those, and kept ones, also of closed schedulers whose threads go on
};
/// Of all schedulers of the process. Any thread. Locks.
WorkerCounts worker_counts() noexcept;

/// Hooks that fired nothing: 65,536 workers were alive, the thread had given its workers back at its end, the scheduler
/// was closed while the thread's worker began, or there was no memory for one. Any thread.
std::uint64_t refused_hooks() noexcept;

}  // namespace tiffany

#endif
