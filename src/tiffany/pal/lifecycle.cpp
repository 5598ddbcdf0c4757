#include <tiffany/pal/lifecycle.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <string_view>
#include <tiffany/pal/transition.hpp>
#include <unordered_map>
#include <utility>

#include "interval_set.hpp"
#include "queue_equation.hpp"
#include "text.hpp"

namespace tiffany::pal {
namespace {

using catalogue::EventInfo;

constexpr std::size_t kMaxHoles = 4096;        // of one worker's seq: more cannot come from records out of order
constexpr std::uint64_t kYoungEntries = 8192;  // a record kept back for fewer entries may still get its predecessor

constexpr bool is_end(TaskState state) {
    return state == TaskState::Finished || state == TaskState::Failed || state == TaskState::Cancelled;
}

constexpr std::uint64_t add_capped(std::uint64_t a, std::uint64_t b) {
    return a > ~std::uint64_t{0} - b ? ~std::uint64_t{0} : a + b;
}

std::string states(const catalogue::StateSet& set) {
    std::string out;
    for (std::size_t i = 0; i < kTaskStates; ++i) {
        const auto state = static_cast<TaskState>(i);
        if (!set.has(state)) continue;
        if (!out.empty()) out += " or ";
        out += label(state);
    }
    return out;
}

/// What a worker did for one scheduler: a worker index that was given back is taken again, by any scheduler.
struct Tenure {
    std::string scheduler;           // empty: not known
    std::uint64_t transitions = 0;   // records
    std::int64_t queue_balance = 0;  // pushes - pops
};

struct WorkerLife {
    WorkerId id;
    IntervalSet covered;            // seqs of records and of Gaps
    std::uint64_t transitions = 0;  // records
    bool started = false;           // its WorkerStarted was seen
    bool stopped = false;           // its WorkerStopped was seen, and no start after it
    std::uint64_t started_seq = 0;  // the lowest of these
    std::uint64_t first_seq = 0;    // where the log says that its part begins; 0: it does not say
    std::uint64_t position = 0;     // the highest seq that a Worker record tells of
    std::uint64_t stopped_seq = 0;  // the highest of WorkerStopped
    std::deque<Tenure> tenures{1};  // one for each scheduler
    std::size_t tenure = 0;         // the present one

    Tenure& now() { return tenures[tenure]; }
    void belongs_to(std::string_view scheduler) {
        if (now().scheduler == scheduler) return;
        if (now().scheduler.empty()) {
            now().scheduler = scheduler;
            return;
        }
        const auto known = std::find_if(tenures.begin(), tenures.end(),
                                        [&](const Tenure& other) { return other.scheduler == scheduler; });
        tenure = static_cast<std::size_t>(known - tenures.begin());
        if (known == tenures.end()) tenures.push_back({std::string{scheduler}});
    }
    std::uint64_t highest() const { return std::max(position, covered.empty() ? 0 : covered.highest()); }
    /// Transitions of this worker that are not in the log, those before its first record too.
    std::uint64_t absent() const { return highest() - std::min(highest(), transitions); }
    /// It made transitions before the trace began.
    bool is_late() const {
        if (first_seq > 1) return true;
        if (started && started_seq == 0) return false;
        return covered.empty() ? position > 0 : covered.lowest() > 1;
    }
};

/// One step of a task's life: what the rules need of a record.
struct Move {
    std::uint64_t step = 0;
    std::uint64_t seq = 0;
    WorkerLife* worker = nullptr;
    Tenure* tenure = nullptr;
    const EventInfo* info = nullptr;  // null: a transition that this version does not know
    TaskState after = TaskState::None;
    TaskState from_state = TaskState::None;  // Cancelled
    WaitKind waited = WaitKind::unknown;     // Running and State
    std::uint64_t wait_ns = 0;               // Running; 0: none, or not known
    std::uint64_t ready_ns = 0;              // likewise
    bool is_dump = false;                    // State: `after` is the state at `step`, nothing moved

    bool is(TaskEvent event) const { return info == &catalogue::info(event); }
    std::string_view name() const { return info != nullptr ? info->name : "an unknown transition"; }
};

struct Task {
    std::uint64_t step = 0;       // the last one that was judged
    std::uint64_t dumped_at = 0;  // not 0: the first that was seen of it is a dump, which told of this step
    TaskState state = TaskState::None;
    bool state_known = true;
    WaitKind waited = WaitKind::none;
    Tenure* home = nullptr;     // where it was first seen
    std::vector<Move> held;     // by step: they wait for a step that has not come
    std::uint64_t held_at = 0;  // the entry that the first of them was
};

/// Steps that are missing; whether that is a broken rule is known at the end.
struct Holes {
    std::uint64_t steps = 0;
    std::uint64_t count = 0;
    std::vector<std::string> findings;  // the first ones, should they be broken rules
};

struct Instance {
    std::map<std::uint16_t, WorkerLife> workers;
    std::unordered_map<std::uint64_t, Task> tasks;  // live ones
    IntervalSet ended;                              // tids are handed out in order, so these are few intervals
    Holes unseen_starts;
    Holes missing_steps;
    std::uint64_t dumped_starts = 0;  // tasks whose start is not in the log, which a dump told of first
    bool unknown_transitions = false;
};

}  // namespace

class LifecycleChecker::State {
  public:
    explicit State(const LifecycleOptions& options) : options_{options} {}

    void begin(const Begin& begin) {
        report_.selection = !begin.events.empty();
        for (const FirstSeq& first : begin.first) {
            WorkerLife& worker = worker_of(first.worker);
            worker.first_seq = first.seq;
            worker.position = first.seq - std::min<std::uint64_t>(first.seq, 1);
        }
    }

    void record(const Record& record) {
        ++entries_;
        ++report_.records;
        if (record.info == nullptr) ++report_.unknown_events;
        dumps_.record(record);
        if (record.is_transition())
            transition(record);
        else if (record.info != nullptr)
            beside(record);
    }

    void gap(const Gap& gap) {
        ++entries_;
        ++report_.gaps;
        gaps_lost_ = add_capped(gaps_lost_, gap.lost);
        WorkerLife& worker = worker_of(gap.worker);
        if (!report_.selection && !worker.covered.add(gap.from_seq, gap.to_seq))
            find(place(worker.id) + ": expected the seqs of a Gap to be missing, found " +
                 std::to_string(gap.from_seq) + " to " + std::to_string(gap.to_seq) + " told otherwise in part");
        bound_holes(worker);
    }

    void end(const End& end) {
        report_.has_end = true;
        end_ = end;
    }

    LifecycleReport finish() {
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

  private:
    // ---- saying what is wrong ----

    static std::string place(const WorkerId& worker) {
        TextBuffer text;
        text.put("instance ");
        text.put_hex(worker.instance, 12);
        text.put(" worker ");
        text.put_number(worker.index);
        return std::string{text.view()};
    }
    static std::string place(const Move& move, std::uint64_t tid) {
        std::string text = place(move.worker->id);
        if (!move.is_dump) text += " seq " + std::to_string(move.seq);
        return text + " tid " + std::to_string(tid) + " step " + std::to_string(move.step);
    }

    void find(std::string finding) {
        ++report_.findings_total;
        if (report_.findings.size() < options_.max_findings) report_.findings.push_back(std::move(finding));
    }
    void find(const Move& move, std::uint64_t tid, std::string_view expected, std::string_view found) {
        std::string text = place(move, tid);
        text.append(": ").append(move.name()).append(": expected ").append(expected).append(", found ").append(found);
        find(std::move(text));
    }

    // ---- workers ----

    Instance& instance_of(const WorkerId& id) {
        if (last_instance_ == nullptr || last_id_ != id.instance) {
            last_instance_ = &instances_[id.instance];
            last_id_ = id.instance;
        }
        return *last_instance_;
    }

    WorkerLife& worker_of(const WorkerId& id) {
        auto [at, is_new] = instance_of(id).workers.try_emplace(id.index);
        if (is_new) {
            at->second.id = id;
            ++report_.workers;
        }
        return at->second;
    }

    void beside(const Record& record) {
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
        worker.position = std::max(worker.position, record.seq);
        if (const std::string_view scheduler = record.text("scheduler"); !scheduler.empty())
            worker.belongs_to(scheduler);
    }

    /// Keeps memory bounded when seqs are missing all over and no Gap tells of it.
    void bound_holes(WorkerLife& worker) {
        if (worker.covered.size() <= kMaxHoles) return;
        const auto first = worker.covered.begin();
        find_seq_hole(worker.id, first->second + 1, std::next(first)->first - 1);
        worker.covered.add(first->second + 1, std::next(first)->first - 1);
    }

    void find_seq_hole(const WorkerId& worker, std::uint64_t first, std::uint64_t last) {
        find(place(worker) + ": expected seq " + std::to_string(first) + ", found " + std::to_string(last + 1) + ": " +
             std::to_string(last - first + 1) + " missing, and no Gap tells of it");
    }

    void judge_seqs(const WorkerLife& worker) {
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
    void judge_tails() {
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

    // ---- tasks ----

    static Move make_move(const Record& record, WorkerLife& worker) {
        Move move;
        move.step = record.step;
        move.seq = record.seq;
        move.worker = &worker;
        move.tenure = &worker.now();
        move.info = record.info;
        move.after = state_after(record);
        if (move.is(TaskEvent::Running)) {
            move.waited = static_cast<WaitKind>(record.number("waited"));
            move.wait_ns = record.number("wait_ns");
            move.ready_ns = record.number("ready_ns");
        } else if (move.is(TaskEvent::Cancelled)) {
            move.from_state = static_cast<TaskState>(record.number("from_state"));
        }
        return move;
    }

    void transition(const Record& record) {
        ++report_.transitions;
        Instance& instance = instance_of(record.worker);
        WorkerLife& worker = worker_of(record.worker);
        if (report_.selection) return;
        const Move move = make_move(record, worker);
        if (record.seq == 0) return find(move, record.tid, "seq from 1", "0");
        if (!worker.covered.add(record.seq))
            return find(move, record.tid, "each seq once", "it a second time, or in a Gap");
        bound_holes(worker);
        ++worker.transitions;
        if (record.info == nullptr) instance.unknown_transitions = true;
        ++worker.now().transitions;
        worker.now().queue_balance += ready_queue_change(record);
        if (record.tid == 0) return find(move, record.tid, "a task", "tid 0, which means none");
        if (record.step == 0) return find(move, record.tid, "step from 1", "0");
        take(instance, record.tid, move);
    }

    void dumped(WorkerLife& worker, const Record& record) {
        if (report_.selection || record.tid == 0 || record.step == 0) return;
        Move move;
        move.step = record.step;
        move.worker = &worker;
        move.tenure = &worker.now();
        move.info = record.info;
        move.after = static_cast<TaskState>(record.number("state"));
        move.waited = static_cast<WaitKind>(record.number("waited"));
        move.is_dump = true;
        take(instance_of(record.worker), record.tid, move);
    }

    void take(Instance& instance, std::uint64_t tid, const Move& move) {
        if (instance.ended.has(tid)) {
            if (!move.is_dump) find(move, tid, "nothing after the task's end", std::string{move.name()});
            return;
        }
        const auto [at, is_new] = instance.tasks.try_emplace(tid);
        Task& task = at->second;
        if (is_new) {
            ++report_.tasks;
            task.home = move.tenure;
            if (move.is_dump) return adopt(instance, task, move);
        }
        if (move.step > task.step + (move.is_dump ? 0 : 1)) return hold(task, move);
        judge(instance, task, tid, move);
        if (!task.held.empty()) judge_held(instance, task, tid, false);
        if (is_end(task.state)) forget(instance, at);
    }

    /// A task that was there before the trace, or before the fork.
    void adopt(Instance& instance, Task& task, const Move& move) {
        ++report_.unseen_start;
        ++report_.dumped_start;
        ++instance.dumped_starts;
        task.step = task.dumped_at = move.step;
        task.state = move.after;
        task.waited = move.waited;
    }

    void hold(Task& task, const Move& move) {
        if (task.held.empty()) task.held_at = entries_;
        const auto before = std::upper_bound(task.held.begin(), task.held.end(), move,
                                             [](const Move& a, const Move& b) { return a.step < b.step; });
        task.held.insert(before, move);
        if (++held_ > options_.max_held) {
            release_held(false);
            if (held_ > options_.max_held / 2) release_held(true);
        }
    }

    /// Judges what was kept back and can be judged now; with `over_holes` all of it.
    void judge_held(Instance& instance, Task& task, std::uint64_t tid, bool over_holes) {
        std::size_t judged = 0;
        for (; judged < task.held.size(); ++judged) {
            const Move& move = task.held[judged];
            const std::uint64_t needed = move.is_dump ? move.step : move.step - 1;  // the step before it
            if (needed > task.step) {
                if (!over_holes) break;
                note_hole(instance, task, tid, move, needed);
            }
            judge(instance, task, tid, move);
        }
        task.held.erase(task.held.begin(), task.held.begin() + static_cast<std::ptrdiff_t>(judged));
        task.held_at = entries_;
        held_ -= judged;
    }

    void release_held(bool young_too) {
        for (auto& [id, instance] : instances_)
            for (auto at = instance.tasks.begin(); at != instance.tasks.end();) {
                const auto here = at++;
                Task& task = here->second;
                if (task.held.empty() || (!young_too && entries_ - task.held_at < kYoungEntries)) continue;
                judge_held(instance, task, here->first, true);
                if (is_end(task.state)) forget(instance, here);
            }
    }

    void forget(Instance& instance, std::unordered_map<std::uint64_t, Task>::iterator at) {
        ++report_.tasks_by_state[static_cast<std::size_t>(at->second.state)];
        held_ -= at->second.held.size();
        instance.ended.add(at->first);
        instance.tasks.erase(at);
    }

    void note_hole(Instance& instance, Task& task, std::uint64_t tid, const Move& move, std::uint64_t needed) {
        const bool unseen_start = task.step == 0;
        if (unseen_start) ++report_.unseen_start;
        Holes& holes = unseen_start ? instance.unseen_starts : instance.missing_steps;
        holes.steps = add_capped(holes.steps, needed - task.step);
        ++holes.count;
        if (holes.findings.size() < options_.max_findings)
            holes.findings.push_back(place(move, tid) + ": " + std::string{move.name()} + ": expected step " +
                                     std::to_string(task.step + 1) + (unseen_start ? ", Spawned" : "") +
                                     ", found step " + std::to_string(move.step));
        task.step = needed;
        task.state_known = false;
        task.waited = WaitKind::unknown;
    }

    /// The rules for one step. The steps before it were judged, or are missing.
    void judge(Instance& instance, Task& task, std::uint64_t tid, const Move& move) {
        if (move.is_dump) return judge_dump(task, tid, move);
        if (move.step <= task.dumped_at) return precede_dump(instance, task, move);
        if (is_end(task.state) && task.state_known)
            return find(move, tid, "nothing after the task's end", std::string{move.name()});
        if (move.step <= task.step)
            return find(move, tid, "step " + std::to_string(task.step + 1), "a step that was taken before");
        if (move.info == nullptr) {
            task.step = move.step;
            task.state_known = false;
            task.waited = WaitKind::unknown;
            return;
        }
        const std::uint64_t found_before = report_.findings_total;
        if (move.is(TaskEvent::Spawned) && move.step != 1)
            find(move, tid, "step 1", "step " + std::to_string(move.step));
        else if (task.state_known && !move.info->from.has(task.state))
            find(move, tid, move.step == 1 ? "Spawned at step 1" : "a task that is " + states(move.info->from),
                 move.step == 1 ? std::string{move.name()} : "one that is " + std::string{label(task.state)});
        if (!move.info->to.has(move.after))
            find(move, tid, "it to become " + states(move.info->to), std::string{label(move.after)});
        if (report_.findings_total == found_before) {  // what a step out of place tells of the one before is no news
            if (move.is(TaskEvent::Cancelled)) judge_from_state(task, tid, move);
            if (move.is(TaskEvent::Running)) judge_waited(task, tid, move);
        }

        task.step = move.step;
        task.state = move.after;
        task.state_known = true;
        task.waited = waited_after(task.waited, move);
    }

    /// A step that is known from a dump, which may be told a little before the step itself.
    void precede_dump(Instance& instance, Task& task, const Move& move) {
        if (!move.is(TaskEvent::Spawned)) return;
        --report_.unseen_start;
        --report_.dumped_start;
        --instance.dumped_starts;
        task.dumped_at = 0;
    }

    void judge_dump(Task& task, std::uint64_t tid, const Move& move) {
        if (move.step < task.step) return;  // later events win
        if (!task.state_known) {
            task.state = move.after;
            task.waited = move.waited;
            task.state_known = true;
        } else if (task.state != move.after) {
            find(move, tid, "a task that is " + std::string{label(task.state)}, std::string{label(move.after)});
        }
    }

    void judge_from_state(const Task& task, std::uint64_t tid, const Move& move) {
        if (task.state_known && task.state != TaskState::None && move.from_state != task.state)
            find(move, tid, "from_state " + std::string{label(task.state)}, std::string{label(move.from_state)});
    }

    void judge_waited(const Task& task, std::uint64_t tid, const Move& move) {
        if (move.waited != task.waited && move.waited != WaitKind::unknown && task.waited != WaitKind::unknown)
            find(move, tid, "waited " + std::string{label(task.waited)}, std::string{label(move.waited)});
        else if (move.wait_ns != 0 && move.waited == WaitKind::none)
            find(move, tid, "no wait_ns, because it waited for nothing", "one");
        else if (move.wait_ns != 0 && move.wait_ns < move.ready_ns)
            find(move, tid, "a wait_ns of at least its ready_ns, " + std::to_string(move.ready_ns),
                 std::to_string(move.wait_ns));
    }

    static WaitKind waited_after(WaitKind before, const Move& move) {
        switch (move.info->id) {
            case EventId::TaskSpawned:
                return move.after == TaskState::Waiting ? WaitKind::dependency : WaitKind::none;
            case EventId::TaskReady:
                return before;
            case EventId::TaskSleep:
                return WaitKind::sleep;
            case EventId::TaskIoWait:
                return WaitKind::iowait;
            case EventId::TaskJoin:
                return WaitKind::join;
            case EventId::TaskWait:
                return WaitKind::wait;
            case EventId::TaskThrottled:
                return move.after == TaskState::Throttled ? WaitKind::throttled : WaitKind::none;
            default:
                return WaitKind::none;
        }
    }

    /// Each missing step is a transition of some worker that is not in the log: there cannot be more of the one than
    /// of the other. What happened before a late trace began can be any number.
    void judge_holes(Instance& instance) {
        std::uint64_t absent = report_.has_end ? end_.tail : 0;
        bool late = false;
        for (const auto& [index, worker] : instance.workers) {
            absent = add_capped(absent, worker.absent());
            late |= worker.is_late();
        }
        const std::uint64_t missing = late ? instance.missing_steps.steps
                                           : add_capped(instance.missing_steps.steps, instance.unseen_starts.steps);
        if (missing <= absent) {
            report_.missing_steps = add_capped(report_.missing_steps, missing);
            return;
        }
        find_holes(instance.missing_steps);
        if (!late) find_holes(instance.unseen_starts);
    }

    void find_holes(Holes& holes) {
        for (std::string& finding : holes.findings)
            find(std::move(finding));
        report_.findings_total += holes.count - holes.findings.size();
    }

    /// Pushes - pops = tasks that are Ready. Returns whether it could be checked: all was seen, from the start.
    bool judge_queues(std::uint64_t id, const Instance& instance) {
        bool whole = report_.lost == 0 && !instance.unknown_transitions && instance.unseen_starts.count == 0 &&
                     instance.missing_steps.count == 0 && instance.dumped_starts == 0;
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

    LifecycleOptions options_;
    LifecycleReport report_;
    DumpWatch dumps_;
    End end_;
    std::uint64_t entries_ = 0;
    std::uint64_t gaps_lost_ = 0;
    std::size_t held_ = 0;  // in all tasks
    std::map<std::uint64_t, Instance> instances_;
    Instance* last_instance_ = nullptr;  // the one looked up last: mostly there is one
    std::uint64_t last_id_ = 0;
};

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
