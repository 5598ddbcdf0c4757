#include <algorithm>
#include <stdexcept>
#include <system_error>
#include <tiffany/telemetry/detail/pool_worker.hpp>
#include <tiffany/telemetry/scheduler_telemetry.hpp>
#include <tiffany/tracepoints/unseen.hpp>
#include <utility>
#include <vector>

#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany {
namespace {

using detail::Process;
using detail::SchedulerCore;
using detail::Unseen;

/// The workers that a thread holds; those that hooks took for it are given back when it ends.
class ThreadWorkers {
  public:
    ThreadWorkers() = default;
    ThreadWorkers(const ThreadWorkers&) = delete;
    ThreadWorkers& operator=(const ThreadWorkers&) = delete;
    ~ThreadWorkers();

    Worker* find(const SchedulerCore& core) const noexcept {
        for (const Entry& entry : entries_)
            if (entry.core.get() == &core) return entry.worker;
        return nullptr;
    }
    void add(std::shared_ptr<SchedulerCore> core, Worker& worker, bool leased) {
        entries_.push_back({std::move(core), &worker, leased});
    }
    void reserve_one();
    void remove(const SchedulerCore& core) noexcept {
        std::erase_if(entries_, [&](const Entry& entry) { return entry.core.get() == &core; });
    }
    void catch_up() const noexcept {
        for (const Entry& entry : entries_)
            entry.core->catch_up(*entry.worker);
    }
    /// Whether the worker was not leased before; it is now.
    bool lease(const SchedulerCore& core) noexcept {
        for (Entry& entry : entries_)
            if (entry.core.get() == &core) return !std::exchange(entry.leased, true);
        return false;
    }

  private:
    struct Entry {
        std::shared_ptr<SchedulerCore> core;
        Worker* worker;
        bool leased;  // given back by its WorkerLease, not by the thread's end
    };
    std::vector<Entry> entries_;
};

// The last worker that here() gave, so that the next time costs one comparison. Trivial, so it needs no guard.
struct Last {
    const SchedulerCore* core;
    Worker* worker;
    bool thread_ended;  // ThreadWorkers is gone: another thread_local's destructor asks late
};
thread_local constinit Last last{nullptr, nullptr, false};
thread_local ThreadWorkers thread_workers;

void ThreadWorkers::reserve_one() {
    // of a scheduler that is gone: the thread is done with what hooks took for it
    const auto is_over = [](const Entry& entry) {
        return !entry.leased && entry.core->closed.load(std::memory_order_acquire);
    };
    for (const Entry& entry : entries_)
        if (is_over(entry)) entry.core->give_back(*entry.worker);
    // a scheduler that is made later may get the address of one that goes now
    if (std::erase_if(entries_, is_over) != 0) last = {nullptr, nullptr, false};
    entries_.reserve(entries_.size() + 1);
}

ThreadWorkers::~ThreadWorkers() {
    const Unseen unseen;
    last = {nullptr, nullptr, true};
    for (const Entry& entry : entries_) {
        if (entry.leased)
            entry.core->end_thread(*entry.worker);
        else
            entry.core->give_back(*entry.worker);
    }
}

/// What here() gives where the one before was another scheduler's. Not inlined: here() itself then saves nothing.
[[gnu::noinline]] Worker& found_here(const std::shared_ptr<SchedulerCore>& core) noexcept {
    const Unseen unseen;
    if (last.thread_ended) {
        Worker* const leased = core->held_here();
        return leased != nullptr ? *leased : *core->refused;
    }
    SchedulerCore* const its = core.get();
    Worker* worker = thread_workers.find(*its);
    if (worker == nullptr) {
        try {
            thread_workers.reserve_one();
            // its owner may be gone when the worker has told that it begins
            std::shared_ptr<SchedulerCore> kept = core;
            worker = &kept->take(false);
            thread_workers.add(std::move(kept), *worker, false);
        } catch (...) {  // no memory: this hook is counted as refused, the next one tries again
            return *its->refused;
        }
    }
    last = {its, worker, false};
    return *worker;
}

}  // namespace

void detail::catch_up_here() noexcept {
    if (!last.thread_ended) thread_workers.catch_up();
}

WorkerLease& WorkerLease::operator=(WorkerLease&& other) noexcept {
    if (this == &other) return *this;
    const WorkerLease before{std::move(*this)};
    core_ = std::move(other.core_);
    worker_ = std::exchange(other.worker_, nullptr);
    return *this;
}

WorkerLease::~WorkerLease() {
    if (worker_ == nullptr) return;
    const Unseen unseen;
    core_->give_back(*worker_);
    if (last.core == core_.get()) last = {nullptr, nullptr, last.thread_ended};
    if (!last.thread_ended) thread_workers.remove(*core_);
}

SchedulerTelemetry::SchedulerTelemetry(std::string_view name, const TelemetryOptions& options) {
    const Unseen unseen;
    Process::get().load_lttng();
    Process::get().start_log();
    Clock& clock = options.clock != nullptr ? *options.clock : Clock::system();
    core_ = std::make_shared<SchedulerCore>(name, clock, options.metrics, options.buckets);
    const std::chrono::nanoseconds bound = Process::get().log().stall_status().bound;
    if (bound.count() == 0) return;
    try {
        watch(bound);
    } catch (const std::system_error& error) {  // who asked from outside must not end the program
        Process::get().log().stall_refused(error.code().value());
    }
}

SchedulerTelemetry::~SchedulerTelemetry() {
    const Unseen unseen;
    core_->close();
    Process::get().pal(detail::PalExit::sink).flush();
}

WorkerLease SchedulerTelemetry::worker() {
    const Unseen unseen;
    const auto refuse_another = [this] {
        throw std::logic_error{"this thread already has a worker of scheduler " + core_->name};
    };
    std::shared_ptr<SchedulerCore> core = core_;  // this may be gone when the worker has told that it begins
    if (last.thread_ended) {                      // the lease alone knows of it then, and what the core holds
        if (core->held_here() != nullptr) refuse_another();
        Worker& worker = core->take(true);
        return WorkerLease{std::move(core), &worker};
    }
    thread_workers.reserve_one();
    Worker* worker = thread_workers.find(*core);
    if (worker == nullptr) {
        worker = &core->take(true);
        thread_workers.add(core, *worker, true);
    } else if (thread_workers.lease(*core)) {
        core->give_loop(*worker);
    } else {
        refuse_another();
    }
    return WorkerLease{std::move(core), worker};
}

WorkerLease detail::PoolWorker::take(SchedulerTelemetry& telemetry) {
    WorkerLease lease = telemetry.worker();
    lease.core_->set_runs_only(*lease);
    return lease;
}

Worker& SchedulerTelemetry::here() noexcept {
    return last.core == core_.get() ? *last.worker : found_here(core_);
}

std::uint16_t SchedulerTelemetry::group(std::string_view name) {
    return core_->group(name, here());
}

void SchedulerTelemetry::list_tasks_by(TaskList* list) noexcept {
    core_->task_list.store(list, std::memory_order_release);
}

void SchedulerTelemetry::watch(std::chrono::nanoseconds bound) {
    const Unseen unseen;
    core_->watch(bound.count() > 0 ? static_cast<std::uint64_t>(bound.count()) : 0);
}

std::chrono::nanoseconds SchedulerTelemetry::watch_bound() const noexcept {
    return std::chrono::nanoseconds{core_->stall_bound_ns.load(std::memory_order_relaxed)};
}

const std::string& SchedulerTelemetry::name() const noexcept {
    return core_->name;
}
Clock& SchedulerTelemetry::clock() const noexcept {
    return core_->clock;
}

std::uint64_t SchedulerTelemetry::count(TaskEvent event) const {
    return core_->count(event);
}

std::uint64_t SchedulerTelemetry::transitions() const {
    return core_->transitions();
}

MetricsSnapshot SchedulerTelemetry::snapshot(bool each_worker) const {
    return core_->snapshot(each_worker);
}

std::function<std::optional<MetricsSnapshot>()> SchedulerTelemetry::snapshot_source(bool each_worker) const {
    return [weak = std::weak_ptr<SchedulerCore>{core_}, each_worker]() -> std::optional<MetricsSnapshot> {
        // a thread that held a worker may keep the core alive for longer than the scheduler
        const std::shared_ptr<SchedulerCore> core = weak.lock();
        if (core == nullptr || core->closed.load(std::memory_order_acquire) || !core->metrics) return std::nullopt;
        return core->snapshot(each_worker);
    };
}

std::function<std::optional<MetricsSnapshot>()> SchedulerTelemetry::named_snapshot_source(bool each_worker) const {
    return [weak = std::weak_ptr<SchedulerCore>{core_}, each_worker]() -> std::optional<MetricsSnapshot> {
        const std::shared_ptr<SchedulerCore> core = weak.lock();
        if (core == nullptr || core->closed.load(std::memory_order_acquire) || !core->metrics) return std::nullopt;
        std::vector<MetricsSnapshot> found = detail::named_snapshots(core.get(), each_worker);
        if (found.empty()) return std::nullopt;
        return std::move(found.front());
    };
}

std::vector<MetricsSnapshot> named_snapshots(bool each_worker) {
    return detail::named_snapshots(nullptr, each_worker);
}

WorkerCounts worker_counts() noexcept {
    WorkerCounts counts;
    Process::get().for_each_core([&](const SchedulerCore& core) { counts.held += core.held_workers(); });
    counts.indices = Process::get().indices_in_use();
    return counts;
}

AttachedTracers attached_tracers() noexcept {
    return Process::get().attached();
}

TracingStatus tracing_status() noexcept {
    return Process::get().status();
}

std::uint64_t refused_hooks() noexcept {
    return Process::get().refused();
}

}  // namespace tiffany
