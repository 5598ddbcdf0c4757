// The scrape's side of the shards: sums over workers.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <tiffany/telemetry/metrics_snapshot.hpp>

#include "scheduler_core.hpp"

namespace tiffany {
namespace {

void add_histogram(HistogramSnapshot& total, const detail::HistogramShard& shard) {
    for (std::size_t i = 0; i < total.counts.size(); ++i)
        total.counts[i] += shard.buckets[i].load(std::memory_order_relaxed);
    total.sum_ns += shard.sum_ns.load(std::memory_order_relaxed);
}

HistogramSnapshot empty_histogram(const detail::Bounds& bounds) {
    const std::span<const std::uint64_t> upper_ns = bounds.upper_ns();
    return {{upper_ns.begin(), upper_ns.end()}, std::vector<std::uint64_t>(upper_ns.size() + 1), 0};
}

// The second number of schedstat: ns that the thread was runnable and had no CPU. 0 where the kernel does not say.
// https://docs.kernel.org/scheduler/sched-stats.html
std::uint64_t run_delay_ns(std::uint32_t thread) noexcept {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/self/task/%u/schedstat", thread);
    std::FILE* file = std::fopen(path, "re");
    if (file == nullptr) return 0;
    unsigned long long ran = 0;
    unsigned long long delay = 0;
    const int read = std::fscanf(file, "%llu %llu", &ran, &delay);
    std::fclose(file);
    return read == 2 ? delay : 0;
}

}  // namespace

namespace detail {

MetricsSnapshot SchedulerCore::snapshot(bool each_worker) const {
    MetricsSnapshot total;
    total.scheduler = name;
    if (!metrics) return total;
    std::vector<ThreadDelay> threads;
    add_up(total, each_worker, threads);
    // without the mutex: one file a thread, and who takes a worker must not wait for it
    for (const ThreadDelay& thread : threads) {
        const std::uint64_t now_ns = run_delay_ns(thread.id);
        total.run_delay_ns += now_ns > thread.base_ns ? now_ns - thread.base_ns : 0;
    }
    // a file of a thread that ended meanwhile, or that could not be opened, is missing
    const std::lock_guard lock{mutex()};
    run_delay_told_ns_ = total.run_delay_ns = std::max(total.run_delay_ns, run_delay_told_ns_);
    return total;
}

void SchedulerCore::add_up(MetricsSnapshot& total, bool each_worker, std::vector<ThreadDelay>& threads) const {
    const std::lock_guard lock{mutex()};
    add_groups(total);
    for (const Owned& worker : all_) {
        // A worker that parks at this moment may be read without its last stretch: a counter never falls.
        worker->busy_told_ns_ = std::max(worker->busy_told_ns_, worker->busy_ns());
        add_work(total, *worker);
        if (each_worker) {
            WorkerSnapshot one;
            one.worker = static_cast<std::uint16_t>(worker->id());
            add_groups(one);
            add_work(one, *worker);
            total.each_worker.push_back(std::move(one));
        }
        // tasks move between workers: only the sum over all of them means something
        worker->shard_.for_each_move([&](std::size_t from, Move move, std::uint64_t times) {
            if (from == kInherited) return;
            total.states[from] -= times;
            total.states[static_cast<std::size_t>(state_after(move))] += times;
        });
        for (std::size_t state = 0; state < kTaskStates; ++state)
            total.states[state] += worker->shard_.inherited[state].load(std::memory_order_relaxed);
        total.current_run_ns = std::max(total.current_run_ns, worker->current_run_ns());
    }
    // a difference of sums that were not read at once may be below 0 for a moment
    for (std::uint64_t& tasks : total.states)
        if (static_cast<std::int64_t>(tasks) < 0) tasks = 0;
    total.workers = static_cast<std::uint64_t>(
        std::count_if(held_.begin(), held_.end(), [](const Held& held) { return held.has_loop; }));
    total.run_delay_ns = run_delay_before_ns_;
    for (const Held& held : held_)
        threads.push_back({held.worker->shard_.thread.load(std::memory_order_relaxed), held.run_delay_ns});
}

void SchedulerCore::add_groups(WorkSnapshot& to) const {
    const std::uint16_t groups = group_count_.load(std::memory_order_relaxed);
    for (std::uint16_t i = 0; i < groups; ++i) {
        GroupSnapshot group;
        group.name = groups_[i].data();
        group.run = empty_histogram(run_bounds);
        group.ready = empty_histogram(ready_bounds);
        group.wait.fill(empty_histogram(wait_bounds));
        to.groups.push_back(std::move(group));
    }
}

void SchedulerCore::add_work(WorkSnapshot& total, const Worker& worker) {
    const Shard& shard = worker.shard_;
    shard.for_each_move([&](std::size_t, Move move, std::uint64_t times) {
        total.transitions[static_cast<std::size_t>(task_event(move))] += times;
    });
    for (std::size_t i = 0; i < total.groups.size(); ++i) {
        const GroupShard& group = shard.group(static_cast<std::uint16_t>(i));
        add_histogram(total.groups[i].run, group.run);
        add_histogram(total.groups[i].ready, group.ready);
        for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
            add_histogram(total.groups[i].wait[kind], group.wait[kind]);
    }
    total.busy_ns += worker.busy_told_ns_;
    total.lttng_left_out += worker.lttng_left_out();
}

std::uint64_t SchedulerCore::run_delay_of(std::uint32_t thread) noexcept {
    return run_delay_ns(thread);
}

}  // namespace detail
}  // namespace tiffany
