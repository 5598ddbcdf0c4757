#include <algorithm>
#include <thread>
#include <tiffany/adapters/detail/tbb_task.hpp>
#include <tiffany/telemetry/detail/pool_worker.hpp>
#include <vector>

namespace tiffany::detail {
namespace {

thread_local constinit TbbRun* t_run = nullptr;  // the innermost: it runs, or waits while TBB runs something else here

/// A worker that a thread of TBB has for as long as it is in an arena.
struct Lease {
    const SchedulerTelemetry* telemetry;
    std::weak_ptr<const int> alive;  // a telemetry made later may have the address of one that is gone
    WorkerLease worker;
};
thread_local std::vector<Lease> t_leases;

bool is_leased(const Worker& worker) noexcept {
    return std::any_of(t_leases.begin(), t_leases.end(), [&](const Lease& lease) { return &*lease.worker == &worker; });
}

}  // namespace

TbbRun* TbbRun::here() noexcept {
    return t_run != nullptr && t_run->runs_ ? t_run : nullptr;
}

// ---- a group ----

void TbbLastEnd::tell(std::uint64_t tid, Stamp at) noexcept {
    std::uint64_t latest = ticks_.load(std::memory_order_relaxed);
    while (latest < at.ticks() && !ticks_.compare_exchange_weak(latest, at.ticks(), std::memory_order_relaxed)) {
    }
    if (latest <= at.ticks() || !at.known()) tid_.store(tid, std::memory_order_relaxed);
}

void TbbGroupState::cancelled_here() noexcept {
    if (const TbbRun* const run = TbbRun::here()) canceller_.store(run->task_.times_.tid(), std::memory_order_relaxed);
}

void TbbGroupState::outlast() const noexcept {
    while (alive_.load(std::memory_order_acquire) != 0)
        std::this_thread::yield();
}

void TbbGroupState::enter(std::uint64_t tid) noexcept {
    spawned_.store(tid, std::memory_order_relaxed);
    alive_.fetch_add(1, std::memory_order_relaxed);
}

void TbbGroupState::leave(std::uint64_t tid, Stamp at) noexcept {
    // before the count: who sees it at 0 may let the group die
    ended_.tell(tid, at);
    alive_.fetch_sub(1,
                     std::memory_order_release);  // with ~TbbJoin(): what the task did is before what follows the wait
}

// ---- a task ----

void TbbTask::spawn(SpawnInfo info) noexcept {
    if (const TbbRun* const run = TbbRun::here()) info.parent = run->task_.times_.tid();
    worker().spawned(times_, info);
    group_.enter(times_.tid());
    is_spawned_.store(true, std::memory_order_release);
}

void TbbTask::drop(bool asked) noexcept {
    Worker& its_worker = worker();
    const Stamp now = its_worker.now();
    const std::uint64_t canceller = asked ? group_.canceller_.load(std::memory_order_relaxed) : 0;
    its_worker.cancelled(times_, asked ? CancelCause::asked : CancelCause::destroyed, canceller, now);
    left(now);
}

void TbbTask::left(Stamp at) noexcept {
    has_ended_ = true;
    group_.leave(times_.tid(), at);
}

// ---- a run ----

TbbRun::TbbRun(TbbTask& task) noexcept : task_{task}, outer_{t_run} {
    static_cast<void>(task_.is_spawned_.load(std::memory_order_acquire));
    // The outer one waits, as was told, or it is in something that only TBB knows to be a wait: a parallel_for.
    if (outer_ != nullptr && outer_->runs_) {
        interrupts_ = true;
        outer_->task_.worker().yield(outer_->task_.times_);
        outer_->stop();
    }
    t_run = this;
    go_on();
}

TbbRun::~TbbRun() {
    t_run = outer_;
    if (interrupts_) outer_->go_on();
}

void TbbRun::go_on() noexcept {
    Worker& worker = task_.worker();
    if (is_leased(worker)) tick_.emplace(worker, task_.times_);
    worker.running(task_.times_);
    runs_ = true;
}

void TbbRun::stop() noexcept {
    runs_ = false;
    tick_.reset();
}

void TbbRun::done() noexcept {
    Worker& worker = task_.worker();
    const Stamp now = worker.now();
    worker.done(task_.times_, now);
    stop();
    task_.left(now);
}

void TbbRun::failed(std::string_view error) noexcept {
    if (!runs_) return;
    Worker& worker = task_.worker();
    const Stamp now = worker.now();
    worker.failed(task_.times_, error, now);
    // TBB cancels the others for it
    task_.group_.cancelled_here();
    stop();
    task_.left(now);
}

void tbb_yield() noexcept {
    TbbRun* const run = TbbRun::here();
    if (run == nullptr) {
        std::this_thread::yield();
        return;
    }
    run->task_.worker().yield(run->task_.times_);
    run->stop();
    std::this_thread::yield();
    run->go_on();
}

// ---- a wait ----

void TbbJoin::begin() noexcept {
    TbbRun* const run = TbbRun::here();
    if (run == nullptr || group_.alive_.load(std::memory_order_acquire) == 0) return;
    run_ = run;
    Worker& worker = run_->task_.worker();
    began_ = worker.now();
    worker.join(run_->task_.times_, group_.spawned_.load(std::memory_order_relaxed), began_);
    run_->stop();
}

TbbJoin::~TbbJoin() {
    // acquire: as TBB has it, where who checks a program for races sees it
    static_cast<void>(group_.alive_.load(std::memory_order_acquire));
    if (run_ == nullptr) return;
    Worker& worker = run_->task_.worker();
    // since the last one has ended it could have gone on, but for what TBB ran here. Another telemetry may have another
    // clock.
    Stamp ended;
    if (&telemetry_ == &run_->task_.telemetry_) ended = group_.ended_.since(began_);
    worker.ready(run_->task_.times_, WakeCause::join, group_.ended_.tid(), 0, ended);
    run_->go_on();
}

// ---- TBB's threads ----

void tbb_enter(SchedulerTelemetry& telemetry, const std::shared_ptr<const int>& alive) noexcept {
    if (t_run != nullptr) return;  // its worker is at work
    std::erase_if(t_leases, [](const Lease& lease) { return lease.alive.expired(); });
    const auto of_this = [&](const Lease& lease) { return lease.telemetry == &telemetry; };
    if (std::any_of(t_leases.begin(), t_leases.end(), of_this)) return;
    try {
        t_leases.reserve(t_leases.size() + 1);
        t_leases.push_back({&telemetry, alive, PoolWorker::take(telemetry)});
    } catch (const std::exception&) {
        // no memory, or the thread has one that the program took: the hooks take what here() gives
    }
}

void tbb_leave(const SchedulerTelemetry& telemetry) noexcept {
    if (t_run != nullptr) return;
    std::erase_if(t_leases, [&](const Lease& lease) { return lease.telemetry == &telemetry; });
}

}  // namespace tiffany::detail
