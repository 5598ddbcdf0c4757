#include <tiffany/pal/lifecycle.hpp>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <tiffany/pal/transition.hpp>
#include <utility>

#include "lifecycle_state.hpp"
#include "queue_equation.hpp"

namespace tiffany::pal {
namespace {

constexpr std::uint64_t kForEver = ~std::uint64_t{0};  // ns
constexpr std::size_t kMaxHoles = 4096;  // of one worker's seq: more cannot come from records out of order

}  // namespace

void LifecycleChecker::State::begin(const Begin& begin) {
    report_.selection = !begin.events.empty();
    for (const FirstSeq& first : begin.first) {
        WorkerLife& worker = worker_of(first.worker);
        worker.first_seq = first.seq;
        worker.position = first.seq - std::min<std::uint64_t>(first.seq, 1);
    }
}

void LifecycleChecker::State::record(const Record& record) {
    ++entries_;
    ++report_.records;
    if (record.info != nullptr && record.info->is_transition()) return transition(record);
    other(record);
}

void LifecycleChecker::State::other(const Record& record) {
    if (record.info == nullptr) {
        ++report_.unknown_events;
        if (record.is_transition()) transition(record);
        return;
    }
    dumps_.record(record);
    beside(record);
}

void LifecycleChecker::State::gap(const Gap& gap) {
    ++entries_;
    ++report_.gaps;
    gaps_lost_ = add_capped(gaps_lost_, gap.lost);
    WorkerLife& worker = worker_of(gap.worker);
    worker.is_there(gap.ts_ns);
    if (!report_.selection && !worker.covered.add(gap.from_seq, gap.to_seq))
        find(place(worker.id) + ": expected the seqs of a Gap to be missing, found " + std::to_string(gap.from_seq) +
             " to " + std::to_string(gap.to_seq) + " told otherwise in part");
    bound_holes(worker);
}

void LifecycleChecker::State::end(const End& end) {
    report_.has_end = true;
    end_ = end;
}

LifecycleReport LifecycleChecker::State::finish() {
    release_held(true);
    report_.lost = report_.has_end ? end_.lost : gaps_lost_;
    judge_tails();
    for (auto& [id, instance] : instances_) {
        for (const auto& [index, worker] : instance.workers) {
            judge_seqs(worker);
            if (!worker.stopped) ++report_.workers_open;
        }
        judge_holes(instance);
        for (const auto& [tid, task] : instance.tasks)
            ++report_.tasks_by_state[static_cast<std::size_t>(task.state_known ? task.state : TaskState::None)];
    }
    // a broken life unbalances the queue: that is said once
    bool queues_checked = !instances_.empty() && !report_.selection && report_.good();
    if (queues_checked)
        for (const auto& [id, instance] : instances_)
            queues_checked &= judge_queues(id, instance);
    report_.queues_checked = queues_checked;
    report_.dumps = dumps_.finish();
    return std::move(report_);
}

void LifecycleChecker::State::find(std::string finding) {
    ++report_.findings_total;
    if (report_.findings.size() < options_.max_findings) report_.findings.push_back(std::move(finding));
}

void LifecycleChecker::State::find(const Move& move, std::uint64_t tid, std::string_view expected,
                                   std::string_view found) {
    std::string text = place(move, tid);
    text.append(": ").append(move.name()).append(": expected ").append(expected).append(", found ").append(found);
    find(std::move(text));
}

void LifecycleChecker::State::find_instance(std::uint64_t id) {
    last_instance_ = &instances_[id];
    last_id_ = id;
}

LifecycleChecker::State::WorkerLife& LifecycleChecker::State::find_worker(const WorkerId& id) {
    Instance& instance = instance_of(id);
    auto [at, is_new] = instance.workers.try_emplace(id.index);
    if (is_new) {
        at->second.id = id;
        at->second.instance = &instance;
        ++report_.workers;
    }
    near_workers_[(id.instance + id.index) % kNearWorkers] = &at->second;
    return at->second;
}

void LifecycleChecker::State::beside(const Record& record) {
    WorkerLife& worker = worker_of(record.worker);
    switch (record.info->id) {
        case EventId::WorkerStarted:
            worker.started_seq = worker.started ? std::min(worker.started_seq, record.seq) : record.seq;
            worker.started = true;
            worker.stopped = false;
            break;
        case EventId::WorkerStopped:
            worker.stopped_seq = std::max(worker.stopped_seq, record.seq);
            worker.stopped = true;
            break;
        case EventId::WorkerDumped:
            break;
        case EventId::State:
            dumped(worker, record);
            return;
        default:
            return;
    }
    worker.is_there(record.ts_ns);
    worker.position = std::max(worker.position, record.seq);
    if (const std::string_view scheduler = record.text("scheduler"); !scheduler.empty()) worker.belongs_to(scheduler);
}

/// Keeps memory bounded when seqs are missing all over and no Gap tells of it.
void LifecycleChecker::State::bound_holes(WorkerLife& worker) {
    if (worker.covered.size() <= kMaxHoles) return;
    const auto first = worker.covered.begin();
    find_seq_hole(worker.id, first->second + 1, std::next(first)->first - 1);
    worker.covered.add(first->second + 1, std::next(first)->first - 1);
}

void LifecycleChecker::State::find_seq_hole(const WorkerId& worker, std::uint64_t first, std::uint64_t last) {
    find(place(worker) + ": expected seq " + std::to_string(first) + ", found " + std::to_string(last + 1) + ": " +
         std::to_string(last - first + 1) + " missing, and no Gap tells of it");
}

void LifecycleChecker::State::judge_seqs(const WorkerLife& worker) {
    if (report_.selection || worker.covered.empty()) return;
    // what precedes a worker's first seq is no jump unless its start was seen
    std::uint64_t expected = worker.covered.lowest();
    if (worker.started && worker.started_seq < expected) expected = worker.started_seq + 1;
    if (worker.first_seq != 0 && worker.first_seq < expected) expected = worker.first_seq;
    for (const auto& [first, last] : worker.covered) {
        if (first > expected) find_seq_hole(worker.id, expected, first - 1);
        expected = last + 1;
    }
}

/// What a worker's stop tells to be missing after its last record must be in End's tail.
void LifecycleChecker::State::judge_tails() {
    if (report_.selection || !report_.has_end) return;
    std::uint64_t missing = 0;
    std::string where;
    for (const auto& [id, instance] : instances_)
        for (const auto& [index, worker] : instance.workers) {
            if (worker.covered.empty() && !worker.started) continue;
            const std::uint64_t seen = worker.covered.empty() ? worker.started_seq : worker.covered.highest();
            if (worker.stopped_seq <= seen) continue;
            missing = add_capped(missing, worker.stopped_seq - seen);
            where = place(worker.id) + ": expected seqs up to " + std::to_string(worker.stopped_seq) +
                    ", where it stopped, found " + std::to_string(seen) + " as the last";
        }
    if (missing > end_.tail)
        find(where + " (missing at the ends of all workers: " + std::to_string(missing) + "; End tells of " +
             std::to_string(end_.tail) + ")");
}

/// Each missing step is a transition of some worker that is not in the log: there cannot be more of the one than
/// of the other. What happened before a late trace began can be any number. So can be the tasks that were made by a
/// worker of which the log has nothing at all, where it says that more may be missing: a full disk can take a CPU's
/// only packet.
void LifecycleChecker::State::judge_holes(Instance& instance) {
    std::uint64_t absent = report_.has_end ? end_.tail : 0;
    bool late = false;
    for (const auto& [index, worker] : instance.workers) {
        absent = add_capped(absent, worker.absent());
        late |= worker.is_late();
    }
    const bool starts_counted = !late && !more_may_be_missing();
    const auto missing_until = [&](std::uint64_t ns, bool with_starts) {
        const std::uint64_t steps = instance.missing_steps.steps_until(ns);
        return with_starts ? add_capped(steps, instance.unseen_starts.steps_until(ns)) : steps;
    };
    const std::uint64_t until_ns = counted_until(instance);
    if (missing_until(until_ns, starts_counted) <= absent) {
        report_.missing_steps = add_capped(report_.missing_steps, missing_until(kForEver, !late));
        return;
    }
    find_holes(instance.missing_steps, until_ns);
    if (starts_counted) find_holes(instance.unseen_starts, until_ns);
}

/// Up to when each missing transition of the instance is counted. If the log says that more may be missing, a worker
/// whose stop it does not have may have gone on after its last transition, uncounted; no other one.
std::uint64_t LifecycleChecker::State::counted_until(const Instance& instance) const {
    std::uint64_t until_ns = kForEver;
    if (!more_may_be_missing()) return until_ns;
    for (const auto& [index, worker] : instance.workers)
        if (!worker.stopped) until_ns = std::min(until_ns, worker.last_ns);
    return until_ns;
}

void LifecycleChecker::State::find_holes(const Holes& holes, std::uint64_t until_ns) {
    std::vector<std::string> findings = holes.findings_until(until_ns);
    // of very many holes the count is known only about
    const std::uint64_t count = holes.count_until(until_ns);
    report_.findings_total += count - std::min<std::uint64_t>(count, findings.size());
    for (std::string& finding : findings)
        find(std::move(finding));
}

/// Pushes - pops = tasks that are Ready. Returns whether it could be checked: all was seen, from the start.
bool LifecycleChecker::State::judge_queues(std::uint64_t id, const Instance& instance) {
    bool whole = report_.lost == 0 && !instance.unknown_transitions && instance.unseen_starts.empty() &&
                 instance.missing_steps.empty() && instance.dumped_starts == 0;
    bool schedulers_known = true;
    for (const auto& [index, worker] : instance.workers) {
        whole &= !worker.is_late() && worker.absent() == 0;
        for (const Tenure& tenure : worker.tenures)
            schedulers_known &= tenure.transitions == 0 || !tenure.scheduler.empty();
    }
    if (!whole) return false;

    const std::string not_known;
    const auto scheduler_of = [&](const Tenure& tenure) -> const std::string& {
        return schedulers_known ? tenure.scheduler : not_known;
    };
    QueueEquation queues;
    for (const auto& [index, worker] : instance.workers)
        for (const Tenure& tenure : worker.tenures)
            if (tenure.transitions != 0) queues.add_balance(scheduler_of(tenure), tenure.queue_balance);
    for (const auto& [tid, task] : instance.tasks)
        if (task.state == TaskState::Ready) queues.add_ready(scheduler_of(*task.home));
    for (std::string& finding : queues.findings(id))
        find(std::move(finding));
    return true;
}

std::uint64_t LifecycleReport::live() const {
    return tasks - ended(TaskState::Finished) - ended(TaskState::Failed) - ended(TaskState::Cancelled);
}

LifecycleChecker::LifecycleChecker(const LifecycleOptions& options) : state_{std::make_unique<State>(options)} {}
LifecycleChecker::~LifecycleChecker() = default;

void LifecycleChecker::begin(const Begin& begin) {
    state_->begin(begin);
}
void LifecycleChecker::record(const Record& record) {
    state_->record(record);
}
void LifecycleChecker::gap(const Gap& gap) {
    state_->gap(gap);
}
void LifecycleChecker::end(const End& end) {
    state_->end(end);
}
LifecycleReport LifecycleChecker::finish() {
    return state_->finish();
}

}  // namespace tiffany::pal
