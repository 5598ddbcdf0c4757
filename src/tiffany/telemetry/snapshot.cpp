// The scrape's side of the shards: sums over workers, and over the schedulers of one name.

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <span>
#include <string>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <utility>

#include "read_histogram.hpp"
#include "scheduler_core.hpp"
#include "snapshot_sum.hpp"

namespace tiffany::detail {
namespace {

HistogramSnapshot empty_histogram(const Bounds& bounds) {
    const std::span<const std::uint64_t> upper_ns = bounds.upper_ns();
    return {{upper_ns.begin(), upper_ns.end()}, std::vector<std::uint64_t>(upper_ns.size() + 1), 0};
}

}  // namespace

/// How often each move was made, from each state, and the inherited tasks that came into a state without one.
struct SchedulerCore::Moves {
    std::array<std::array<std::uint64_t, kMoves>, kTaskStates + 1> times{};
    std::array<std::uint64_t, kTaskStates> inherited{};

    void add(const Shard& shard) noexcept {
        for (std::size_t from = 0; from < times.size(); ++from)
            for (std::size_t move = 0; move < kMoves; ++move)
                times[from][move] += shard.moves[from][move].load(std::memory_order_relaxed);
        for (std::size_t state = 0; state < kTaskStates; ++state)
            inherited[state] += shard.inherited[state].load(std::memory_order_relaxed);
    }
    void count(WorkSnapshot& to) const noexcept {
        for (const auto& from : times)
            for (std::size_t move = 0; move < kMoves; ++move)
                to.transitions[static_cast<std::size_t>(task_event(static_cast<Move>(move)))] += from[move];
    }
    struct Flow {
        std::uint64_t into;
        std::uint64_t out;
    };
    // tasks move between workers: only the sum over all of them means something
    Flow flow(TaskState state) const noexcept {
        Flow flow{inherited[static_cast<std::size_t>(state)], 0};
        for (std::size_t from = 0; from < kTaskStates; ++from)
            for (std::size_t move = 0; move < kMoves; ++move)
                if (state_after(static_cast<Move>(move)) == state) flow.into += times[from][move];
        for (const std::uint64_t left : times[static_cast<std::size_t>(state)])
            flow.out += left;
        return flow;
    }
};

void SchedulerCore::want_delays(RunDelays& delays) {
    const std::lock_guard lock{mutex()};
    for (const Held& held : held_)
        delays.want(held.hold, held.worker->shard_.thread.load(std::memory_order_relaxed));
}

MetricsSnapshot SchedulerCore::snapshot(bool each_worker) {
    if (!metrics) {
        MetricsSnapshot nothing;
        nothing.scheduler = name;
        return nothing;
    }
    // without the mutex: one file a thread, and who takes a worker must not wait for it
    RunDelays delays;
    want_delays(delays);
    if (delays.read(delays_turn)) process.set_run_delay_known();
    return read(delays, each_worker);
}

MetricsSnapshot SchedulerCore::read(const RunDelays& delays, bool each_worker) {
    const std::lock_guard lock{mutex()};
    return add_up(delays, each_worker);
}

MetricsSnapshot SchedulerCore::add_up(const RunDelays& delays, bool each_worker) {
    MetricsSnapshot total;
    total.scheduler = name;
    add_groups(total);
    for (Held& held : held_)
        keep_delay(held, delays.of(held.hold));
    const std::uint64_t begun = clock.ticks();
    Moves moves;
    if (ended_ != nullptr) {
        moves.add(ended_->shard);
        ToldPending nothing;  // is pending there
        add_times(total, ended_->shard, nothing, nothing);
        total.busy_ns = ended_->busy_ns;
        total.run_delay_ns = ended_->run_delay_ns;
        total.lttng_left_out = ended_->lttng_left_out;
    }
    for (const Owned& worker : all_) {
        // A worker that parks at this moment may be read without its last stretch: a counter never falls.
        worker->busy_told_ns_ = std::max(worker->busy_told_ns_, worker->busy_ns());
        moves.add(worker->shard_);
        add_times(total, worker->shard_, worker->told_pending_, worker->told_pending_waits_);
        total.busy_ns += worker->busy_told_ns_;
        total.run_delay_ns += worker->run_delay_told_ns_;
        total.lttng_left_out += worker->lttng_left_out();
        total.current_run_ns = std::max(total.current_run_ns, worker->current_run_ns());
        if (!each_worker) continue;
        WorkerSnapshot one;
        one.worker = static_cast<std::uint16_t>(worker->id());
        add_groups(one);
        Moves its;
        its.add(worker->shard_);
        its.count(one);
        add_times(one, worker->shard_, worker->told_pending_, worker->told_pending_waits_);
        one.busy_ns = worker->busy_told_ns_;
        one.run_delay_ns = worker->run_delay_told_ns_;
        one.run_delay_known = worker->run_delay_known_;
        one.lttng_left_out = worker->lttng_left_out();
        total.each_worker.push_back(std::move(one));
    }
    moves.count(total);
    for (std::size_t state = 0; state < kTaskStates; ++state) {
        // a difference of sums that were not read at once may be below 0 for a moment
        const Moves::Flow flow = moves.flow(static_cast<TaskState>(state));
        total.states[state] = flow.into > flow.out ? flow.into - flow.out : 0;
    }
    const Moves::Flow ready = moves.flow(TaskState::Ready);
    if (const std::uint64_t since = ready_age_.waiting_since(ready.out); since != 0)
        total.oldest_ready_ns = clock.to_ns(begun - since);
    ready_age_.keep(ready.into, clock.ticks());
    total.workers = static_cast<std::uint64_t>(
        std::count_if(held_.begin(), held_.end(), [](const Held& held) { return held.has_loop; }));
    total.run_delay_known = process.run_delay_known();
    return total;
}

/// A file of a thread that ended meanwhile, or that could not be opened, is missing: what was told stays.
void SchedulerCore::keep_delay(Held& held, std::optional<std::uint64_t> now_ns) noexcept {
    if (!now_ns) return;
    Worker& worker = *held.worker;
    worker.run_delay_known_ = true;
    if (!held.run_delay_ns) held.run_delay_ns = now_ns;
    if (*now_ns > *held.run_delay_ns)
        worker.run_delay_told_ns_ =
            std::max(worker.run_delay_told_ns_, worker.run_delay_before_ns_ + *now_ns - *held.run_delay_ns);
}

std::optional<std::uint64_t> SchedulerCore::read_delay(std::uint32_t thread) const noexcept {
    if (!metrics) return std::nullopt;
    const std::optional<std::uint64_t> delay_ns = run_delay_ns(thread);
    if (delay_ns) process.set_run_delay_known();
    return delay_ns;
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

void SchedulerCore::add_times(WorkSnapshot& total, const Shard& shard, ToldPending& told,
                              ToldPending& told_waits) noexcept {
    for (std::size_t i = 0; i < total.groups.size(); ++i) {
        const GroupShard* found = shard.groups[i].load(std::memory_order_relaxed);
        if (found == nullptr) continue;
        add_histogram(total.groups[i].run, found->run, shard.pending, told);
        add_histogram(total.groups[i].ready, found->ready, shard.pending, told);
        for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
            add_histogram(total.groups[i].wait[kind], found->wait[kind], shard.pending_waits, told_waits);
    }
}

std::vector<MetricsSnapshot> named_snapshots(SchedulerCore* of, bool each_worker) {
    Process& process = Process::get();
    const std::string* const name = of != nullptr ? &of->name : nullptr;
    // a core that is closed has handed over its numbers
    const auto is_asked_for = [&](const SchedulerCore& core) {
        return core.metrics && !core.closed.load(std::memory_order_acquire) && (name == nullptr || core.name == *name);
    };
    RunDelays delays;
    process.for_each_core([&](SchedulerCore& core) {
        if (is_asked_for(core)) core.want_delays(delays);
    });
    static std::atomic<std::size_t> turn_of_all{0};
    if (delays.read(of != nullptr ? of->delays_turn : turn_of_all)) process.set_run_delay_known();
    std::map<std::string, MetricsSnapshot> by_name;
    const auto add = [&](MetricsSnapshot one) {
        const auto [at, is_first] = by_name.try_emplace(one.scheduler);
        if (is_first)
            at->second = std::move(one);
        else
            add_snapshot(at->second, std::move(one));
    };
    process.with_schedulers([&](const std::vector<SchedulerCore*>& cores, const EndedSchedulers& ended) {
        for (SchedulerCore* core : cores)
            if (is_asked_for(*core)) add(core->read(delays, each_worker));
        // the one that is asked for may have been closed meanwhile: without it the sum would begin with 0 again
        if (name != nullptr && by_name.empty()) return;
        for (const EndedSchedulers::Of& one : ended.all()) {
            if (name != nullptr && one.name != *name) continue;
            MetricsSnapshot& total = by_name[one.name];
            add_snapshot(total, one.lately);
            if (name == nullptr) add_snapshot(total, one.before);
        }
    });
    std::vector<MetricsSnapshot> all;
    for (auto& [its_name, one] : by_name) {
        one.scheduler = its_name;
        all.push_back(std::move(one));
    }
    return all;
}

}  // namespace tiffany::detail
