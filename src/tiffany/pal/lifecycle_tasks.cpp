// The life of each task: its steps in their order, and the rules for one step.

#include <algorithm>
#include <cassert>
#include <string_view>
#include <tiffany/pal/field.hpp>
#include <tiffany/pal/transition.hpp>
#include <tuple>
#include <utility>

#include "lifecycle_state.hpp"

namespace tiffany::pal {
namespace {

constexpr std::uint64_t kYoungEntries = 8192;  // a record kept back for fewer entries may still get its predecessor

constexpr bool is_end(TaskState state) {
    return state == TaskState::Finished || state == TaskState::Failed || state == TaskState::Cancelled;
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

/// A trace or a log has numbers: a newer catalogue's, or any.
bool is_known(TaskState state) {
    return static_cast<std::size_t>(state) < kTaskStates;
}

}  // namespace

LifecycleChecker::State::Move LifecycleChecker::State::make_move(const Record& record, WorkerLife& worker) {
    Move move;
    move.step = record.step;
    move.seq = record.seq;
    move.ns = record.ts_ns;
    move.worker = &worker;
    move.tenure = &worker.now();
    move.info = record.info;
    move.after = state_after(record);
    if (move.is(EventId::TaskRunning)) {
        move.waited = static_cast<WaitKind>(record.numbers[field::Running::waited]);
        move.wait_ns = record.numbers[field::Running::wait_ns];
        move.ready_ns = record.numbers[field::Running::ready_ns];
    } else if (move.is(EventId::TaskCancelled)) {
        move.from_state = static_cast<TaskState>(record.numbers[field::Cancelled::from_state]);
    }
    return move;
}

LifecycleChecker::State::Rules LifecycleChecker::State::make_rules() {
    Rules rules;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        const catalogue::EventInfo& info = catalogue::info(static_cast<TaskEvent>(i));
        if (info.id == EventId::TaskSpawned || info.id == EventId::TaskThrottled || info.id == EventId::TaskCancelled)
            continue;
        assert(!info.from.has(TaskState::Finished) && !info.from.has(TaskState::Failed) &&
               !info.from.has(TaskState::Cancelled));
        Record record;
        record.info = &info;
        Move move;
        move.info = &info;
        Rule& rule = rules[i];
        rule.from = info.from;
        rule.after = move.after = state_after(record);
        rule.waited = waited_after(WaitKind::none, move);
        rule.keeps_waited = waited_after(WaitKind::sleep, move) != waited_after(WaitKind::none, move);
        rule.ends = is_end(rule.after);
        rule.queue_change = static_cast<std::int8_t>(ready_queue_change(record));
    }
    return rules;
}

/// The live task whose next step this is, if that is a legal one and its worker's next seq; null for any other.
LifecycleChecker::State::Task* LifecycleChecker::State::task_that_goes_on(const WorkerLife& worker,
                                                                          const Record& record) const {
    Task* const task = worker.instance->tasks.near(record.tid);
    if (task == nullptr || record.step == 0 || record.step - 1 != task->step ||
        !worker.covered.goes_on_with(record.seq))
        return nullptr;
    const Rule& rule = rules_[static_cast<std::size_t>(record.info->id)];
    if (!task->held.empty() || !task->state_known || !rule.from.has(task->state)) return nullptr;
    if (record.info->id == EventId::TaskRunning) {
        const std::uint64_t wait_ns = record.numbers[field::Running::wait_ns];
        if (static_cast<WaitKind>(record.numbers[field::Running::waited]) != task->waited) return nullptr;
        if (wait_ns != 0 && (task->waited == WaitKind::none || wait_ns < record.numbers[field::Running::ready_ns]))
            return nullptr;
    }
    return task;
}

/// The usual case is in short here; `judged_transition` would do the same.
void LifecycleChecker::State::transition(const Record& record) {
    ++report_.transitions;
    WorkerLife* const worker = near_worker(record.worker);
    if (worker == nullptr || record.info == nullptr || report_.selection) return judged_transition(record);
    Task* const task = task_that_goes_on(*worker, record);
    if (task == nullptr) return judged_transition(record);
    const Rule& rule = rules_[static_cast<std::size_t>(record.info->id)];
    worker->covered.add_next();
    ++worker->transitions;
    worker->last_ns = record.ts_ns;
    Tenure& tenure = worker->now();
    ++tenure.transitions;
    tenure.queue_balance += rule.queue_change;
    task->step = record.step;
    task->state = rule.after;
    task->waited = rule.keeps_waited ? task->waited : rule.waited;
    if (rule.ends) end_task(*worker->instance, record.tid, *task);
}

void LifecycleChecker::State::judged_transition(const Record& record) {
    WorkerLife& worker = worker_of(record.worker);
    if (report_.selection) return;
    const Move move = make_move(record, worker);
    if (record.seq == 0) return find(move, record.tid, "seq from 1", "0");
    if (!worker.covered.add(record.seq))
        return find(move, record.tid, "each seq once", "it a second time, or in a Gap");
    bound_holes(worker);
    ++worker.transitions;
    worker.last_ns = std::max(worker.last_ns, record.ts_ns);
    if (record.info == nullptr) worker.instance->unknown_transitions = true;
    ++worker.now().transitions;
    worker.now().queue_balance += ready_queue_change(record);
    if (record.tid == 0) return find(move, record.tid, "a task", "tid 0, which means none");
    if (record.step == 0) return find(move, record.tid, "step from 1", "0");
    take(*worker.instance, record.tid, move);
}

void LifecycleChecker::State::dumped(WorkerLife& worker, const Record& record) {
    if (report_.selection || record.tid == 0 || record.step == 0) return;
    Move move;
    move.step = record.step;
    move.ns = record.ts_ns;
    move.worker = &worker;
    move.tenure = &worker.now();
    move.info = record.info;
    move.after = static_cast<TaskState>(record.numbers[field::State::state]);
    move.waited = static_cast<WaitKind>(record.numbers[field::State::waited]);
    move.is_dump = true;
    take(*worker.instance, record.tid, move);
}

void LifecycleChecker::State::take(Instance& instance, std::uint64_t tid, const Move& move) {
    Task* const live = instance.tasks.find(tid);
    if (live == nullptr && instance.ended.has(tid)) {
        if (!move.is_dump) find(move, tid, "nothing after the task's end", std::string{move.name()});
        return;
    }
    Task& task = live != nullptr ? *live : instance.tasks.at(tid);
    if (live == nullptr) {
        ++report_.tasks;
        task.home = move.tenure;
        if (move.is_dump) return adopt(instance, task, move);
    }
    if (move.step > task.step + (move.is_dump ? 0 : 1)) return hold(task, move);
    judge(instance, task, tid, move);
    if (!task.held.empty()) judge_held(instance, task, tid, false);
    if (is_end(task.state)) end_task(instance, tid, task);
}

/// A task that was there before the trace, or before the fork.
void LifecycleChecker::State::adopt(Instance& instance, Task& task, const Move& move) {
    ++report_.unseen_start;
    ++report_.dumped_start;
    ++instance.dumped_starts;
    task.step = task.dumped_at = move.step;
    task.state = move.after;
    task.state_known = is_known(move.after);
    task.waited = move.waited;
}

/// By step, and as they came.
bool LifecycleChecker::State::is_judged_later(const Move& a, const Move& b) {
    return std::tie(a.step, a.entry) > std::tie(b.step, b.entry);
}

void LifecycleChecker::State::hold(Task& task, const Move& move) {
    if (task.held.empty()) task.held_at = entries_;
    task.held.push_back(move);
    task.held.back().entry = entries_;
    std::ranges::push_heap(task.held, is_judged_later);
    if (++held_ > options_.max_held) {
        release_held(false);
        if (held_ > options_.max_held / 2) release_held(true);
    }
}

/// Judges what was kept back and can be judged now; with `over_holes` all of it.
void LifecycleChecker::State::judge_held(Instance& instance, Task& task, std::uint64_t tid, bool over_holes) {
    while (!task.held.empty()) {
        const Move move = task.held.front();
        const std::uint64_t needed = move.is_dump ? move.step : move.step - 1;  // the step before it
        if (needed > task.step) {
            if (!over_holes) break;
            note_hole(instance, task, tid, move, needed);
        }
        std::ranges::pop_heap(task.held, is_judged_later);
        task.held.pop_back();
        --held_;
        judge(instance, task, tid, move);
    }
    task.held_at = entries_;
}

void LifecycleChecker::State::release_held(bool young_too) {
    std::vector<std::uint64_t> waiting;
    for (auto& [id, instance] : instances_) {
        waiting.clear();
        for (const auto& [tid, task] : instance.tasks)
            if (!task.held.empty() && (young_too || entries_ - task.held_at >= kYoungEntries)) waiting.push_back(tid);
        std::ranges::sort(waiting);  // so that what is found has an order
        for (const std::uint64_t tid : waiting) {
            Task& task = *instance.tasks.find(tid);
            judge_held(instance, task, tid, true);
            if (is_end(task.state)) end_task(instance, tid, task);
        }
    }
}

/// Counts a task that ended, and forgets it.
void LifecycleChecker::State::end_task(Instance& instance, std::uint64_t tid, const Task& task) {
    ++report_.tasks_by_state[static_cast<std::size_t>(task.state)];
    held_ -= task.held.size();
    instance.ended.add(tid);
    instance.tasks.erase(tid);
}

void LifecycleChecker::State::note_hole(Instance& instance, Task& task, std::uint64_t tid, const Move& move,
                                        std::uint64_t needed) {
    const bool unseen_start = task.step == 0;
    if (unseen_start) ++report_.unseen_start;
    Holes& holes = unseen_start ? instance.unseen_starts : instance.missing_steps;
    holes.add(move.ns, needed - task.step);
    if (holes.said() < options_.max_findings)
        holes.say(place(move, tid) + ": " + std::string{move.name()} + ": expected step " +
                  std::to_string(task.step + 1) + (unseen_start ? ", Spawned" : "") + ", found step " +
                  std::to_string(move.step));
    task.step = needed;
    task.state_known = false;
    task.waited = WaitKind::unknown;
}

/// The rules for one step. The steps before it were judged, or are missing.
void LifecycleChecker::State::judge(Instance& instance, Task& task, std::uint64_t tid, const Move& move) {
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
    if (move.is(EventId::TaskSpawned) && move.step != 1)
        find(move, tid, "step 1", "step " + std::to_string(move.step));
    else if (task.state_known && !move.info->from.has(task.state))
        find(move, tid, move.step == 1 ? "Spawned at step 1" : "a task that is " + states(move.info->from),
             move.step == 1 ? std::string{move.name()} : "one that is " + std::string{label(task.state)});
    if (!move.info->to.has(move.after))
        find(move, tid, "it to become " + states(move.info->to), std::string{label(move.after)});
    if (report_.findings_total == found_before) {  // what a step out of place tells of the one before is no news
        if (move.is(EventId::TaskCancelled)) judge_from_state(task, tid, move);
        if (move.is(EventId::TaskRunning)) judge_waited(task, tid, move);
    }

    task.step = move.step;
    task.state = move.after;
    task.state_known = is_known(move.after);
    task.waited = waited_after(task.waited, move);
}

/// A step that is known from a dump, which may be told a little before the step itself.
void LifecycleChecker::State::precede_dump(Instance& instance, Task& task, const Move& move) {
    if (!move.is(EventId::TaskSpawned)) return;
    --report_.unseen_start;
    --report_.dumped_start;
    --instance.dumped_starts;
    task.dumped_at = 0;
}

void LifecycleChecker::State::judge_dump(Task& task, std::uint64_t tid, const Move& move) {
    if (move.step < task.step) return;  // later events win
    if (!is_known(move.after)) return;  // nothing that this version could judge
    if (!task.state_known) {
        task.state = move.after;
        task.waited = move.waited;
        task.state_known = true;
    } else if (task.state != move.after) {
        find(move, tid, "a task that is " + std::string{label(task.state)}, std::string{label(move.after)});
    }
}

void LifecycleChecker::State::judge_from_state(const Task& task, std::uint64_t tid, const Move& move) {
    if (task.state_known && task.state != TaskState::None && move.from_state != task.state)
        find(move, tid, "from_state " + std::string{label(task.state)}, std::string{label(move.from_state)});
}

void LifecycleChecker::State::judge_waited(const Task& task, std::uint64_t tid, const Move& move) {
    if (move.waited != task.waited && move.waited != WaitKind::unknown && task.waited != WaitKind::unknown)
        find(move, tid, "waited " + std::string{label(task.waited)}, std::string{label(move.waited)});
    else if (move.wait_ns != 0 && move.waited == WaitKind::none)
        find(move, tid, "no wait_ns, because it waited for nothing", "one");
    else if (move.wait_ns != 0 && move.wait_ns < move.ready_ns)
        find(move, tid, "a wait_ns of at least its ready_ns, " + std::to_string(move.ready_ns),
             std::to_string(move.wait_ns));
}

WaitKind LifecycleChecker::State::waited_after(WaitKind before, const Move& move) {
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

}  // namespace tiffany::pal
