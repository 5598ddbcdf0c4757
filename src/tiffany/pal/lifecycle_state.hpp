#pragma once
/// What the lifecycle checker knows of a log so far, and its rules. lifecycle.cpp: entries, workers, and what is judged
/// at the end; lifecycle_tasks.cpp: tasks. Private to pal.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <string_view>
#include <tiffany/pal/lifecycle.hpp>
#include <vector>

#include "holes.hpp"
#include "interval_set.hpp"
#include "near_map.hpp"
#include "text.hpp"

namespace tiffany::pal {

class LifecycleChecker::State {
  public:
    explicit State(const LifecycleOptions& options) : options_{options}, rules_{make_rules()} {}

    void begin(const Begin& begin);
    void record(const Record& record);
    void gap(const Gap& gap);
    void end(const End& end);
    LifecycleReport finish();

  private:
    /// What a worker did for one scheduler: a worker index that was given back is taken again, by any scheduler.
    struct Tenure {
        std::string scheduler;           // empty: not known
        std::uint64_t transitions = 0;   // records
        std::int64_t queue_balance = 0;  // pushes - pops
    };

    struct Instance;
    struct WorkerLife {
        WorkerId id;
        Instance* instance = nullptr;
        IntervalSet covered;            // seqs of records and of Gaps
        std::uint64_t transitions = 0;  // records
        std::uint64_t last_ns = 0;      // of its last transition; of what told of it, if there is none
        bool started = false;           // its WorkerStarted was seen
        bool stopped = false;           // its WorkerStopped was seen, and no start after it
        std::uint64_t started_seq = 0;  // the lowest of these
        std::uint64_t first_seq = 0;    // where the log says that its part begins; 0: it does not say
        std::uint64_t position = 0;     // the highest seq that a Worker record tells of
        std::uint64_t stopped_seq = 0;  // the highest of WorkerStopped
        std::list<Tenure> tenures{1};   // one for each scheduler; no deque, whose least is half a KiB
        Tenure* present = &tenures.front();
        std::map<std::string, Tenure*> tenure_of{};  // by the scheduler's name

        Tenure& now() { return *present; }
        void belongs_to(std::string_view scheduler) {
            if (now().scheduler == scheduler) return;
            if (now().scheduler.empty()) {
                now().scheduler = scheduler;
                tenure_of.emplace(scheduler, present);
                return;
            }
            const auto [known, is_new] = tenure_of.try_emplace(std::string{scheduler}, nullptr);
            if (is_new) known->second = &tenures.emplace_back(Tenure{std::string{scheduler}});
            present = known->second;
        }
        /// Something that is no transition is told of it.
        void is_there(std::uint64_t ns) {
            if (last_ns == 0) last_ns = ns;
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
        std::uint64_t entry = 0;  // the number of its entry, once it is held
        std::uint64_t seq = 0;
        std::uint64_t ns = 0;
        WorkerLife* worker = nullptr;
        Tenure* tenure = nullptr;
        const catalogue::EventInfo* info = nullptr;  // null: a transition that this version does not know
        TaskState after = TaskState::None;
        TaskState from_state = TaskState::None;  // Cancelled
        WaitKind waited = WaitKind::unknown;     // Running and State
        std::uint64_t wait_ns = 0;               // Running; 0: none, or not known
        std::uint64_t ready_ns = 0;              // likewise
        bool is_dump = false;                    // State: `after` is the state at `step`, nothing moved

        bool is(EventId event) const { return info != nullptr && info->id == event; }
        std::string_view name() const { return info != nullptr ? info->name : "an unknown transition"; }
    };

    struct Task {
        std::uint64_t step = 0;       // the last one that was judged
        std::uint64_t dumped_at = 0;  // not 0: the first that was seen of it is a dump, which told of this step
        TaskState state = TaskState::None;
        bool state_known = true;
        WaitKind waited = WaitKind::none;
        Tenure* home = nullptr;     // where it was first seen
        std::vector<Move> held;     // they wait for a step that has not come: a heap, the one to judge first in front
        std::uint64_t held_at = 0;  // the entry that the first of them was
    };

    struct Instance {
        std::map<std::uint16_t, WorkerLife> workers;
        NearMap<Task> tasks;  // live ones
        IntervalSet ended;    // tids are handed out in order, so these are few intervals
        Holes unseen_starts;
        Holes missing_steps;
        std::uint64_t dumped_starts = 0;  // tasks whose start is not in the log, which a dump told of first
        bool unknown_transitions = false;
    };

    /// What the catalogue says of a transition, of those that always lead to one state.
    struct Rule {
        catalogue::StateSet from;  // empty: it depends on the record
        TaskState after = TaskState::None;
        WaitKind waited = WaitKind::none;  // what a Running after it has waited for
        bool keeps_waited = false;         // that is what was waited for before it
        bool ends = false;
        std::int8_t queue_change = 0;
    };
    using Rules = std::array<Rule, kTransitions>;

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
    void find(std::string finding);
    void find(const Move& move, std::uint64_t tid, std::string_view expected, std::string_view found);

    // ---- workers ----

    Instance& instance_of(const WorkerId& id) {
        if (last_instance_ == nullptr || last_id_ != id.instance) find_instance(id.instance);
        return *last_instance_;
    }
    WorkerLife& worker_of(const WorkerId& id) {
        WorkerLife* const near = near_worker(id);
        return near != nullptr ? *near : find_worker(id);
    }
    /// Null: it was not looked up lately.
    WorkerLife* near_worker(const WorkerId& id) const {
        WorkerLife* const near = near_workers_[(id.instance + id.index) % kNearWorkers];
        return near != nullptr && near->id == id ? near : nullptr;
    }
    void find_instance(std::uint64_t id);
    WorkerLife& find_worker(const WorkerId& id);
    void other(const Record& record);
    void beside(const Record& record);
    void bound_holes(WorkerLife& worker);
    void find_seq_hole(const WorkerId& worker, std::uint64_t first, std::uint64_t last);
    void judge_seqs(const WorkerLife& worker);
    void judge_tails();

    // ---- tasks ----

    static Move make_move(const Record& record, WorkerLife& worker);
    static Rules make_rules();
    void transition(const Record& record);
    [[gnu::always_inline]] inline Task* task_that_goes_on(const WorkerLife& worker, const Record& record) const;
    void judged_transition(const Record& record);
    void dumped(WorkerLife& worker, const Record& record);
    void take(Instance& instance, std::uint64_t tid, const Move& move);
    void adopt(Instance& instance, Task& task, const Move& move);
    static bool is_judged_later(const Move& a, const Move& b);
    void hold(Task& task, const Move& move);
    void judge_held(Instance& instance, Task& task, std::uint64_t tid, bool over_holes);
    void release_held(bool young_too);
    void end_task(Instance& instance, std::uint64_t tid, const Task& task);
    void note_hole(Instance& instance, Task& task, std::uint64_t tid, const Move& move, std::uint64_t needed);
    void judge(Instance& instance, Task& task, std::uint64_t tid, const Move& move);
    void precede_dump(Instance& instance, Task& task, const Move& move);
    void judge_dump(Task& task, std::uint64_t tid, const Move& move);
    void judge_from_state(const Task& task, std::uint64_t tid, const Move& move);
    void judge_waited(const Task& task, std::uint64_t tid, const Move& move);
    static WaitKind waited_after(WaitKind before, const Move& move);

    // ---- at the end ----

    void judge_holes(Instance& instance);
    std::uint64_t counted_until(const Instance& instance) const;
    /// The log says so itself: in no count.
    bool more_may_be_missing() const { return !end_.uncounted.empty() || end_.bad_parts != 0; }
    void find_holes(const Holes& holes, std::uint64_t until_ns);
    bool judge_queues(std::uint64_t id, const Instance& instance);

    LifecycleOptions options_;
    const Rules rules_;  // by TaskEvent
    LifecycleReport report_;
    DumpWatch dumps_;
    End end_;
    std::uint64_t entries_ = 0;
    std::uint64_t gaps_lost_ = 0;
    std::size_t held_ = 0;  // in all tasks
    std::map<std::uint64_t, Instance> instances_;
    Instance* last_instance_ = nullptr;  // the one looked up last: mostly there is one
    std::uint64_t last_id_ = 0;
    static constexpr std::size_t kNearWorkers = 16;
    std::array<WorkerLife*, kNearWorkers> near_workers_{};  // those looked up last
};

}  // namespace tiffany::pal
