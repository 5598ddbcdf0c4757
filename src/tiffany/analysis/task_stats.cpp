#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <tiffany/analysis/task_stats.hpp>
#include <tiffany/pal/field.hpp>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "task_table.hpp"

namespace tiffany::analysis {
namespace {

using What = Sighting::What;
namespace field = pal::field;

constexpr std::uint8_t number(WaitKind kind) {
    return static_cast<std::uint8_t>(kind);
}

/// A scheduler has at most 32 groups, so a log with other numbers is hostile or broken: those share one.
constexpr std::uint16_t kNoGroup = 32;

std::uint16_t group_number(std::uint64_t group) {
    return static_cast<std::uint16_t>(std::min<std::uint64_t>(group, kNoGroup));
}

/// A wait that contradicts itself, or of a kind that this version does not know, is one of unknown kind.
std::uint8_t wait_kind(std::uint64_t waited) {
    if (waited == number(WaitKind::none) || waited >= kWaitKinds) return number(WaitKind::unknown);
    return static_cast<std::uint8_t>(waited);
}

/// Where its run_ns is, of an event that ended a run; else nothing.
std::optional<std::size_t> ended_run(TaskEvent event, const pal::Record& record) {
    switch (event) {
        case TaskEvent::Yield:
            return field::Yield::run_ns;
        case TaskEvent::Sleep:
            return field::Sleep::run_ns;
        case TaskEvent::IoWait:
            return field::IoWait::run_ns;
        case TaskEvent::Join:
            return field::Join::run_ns;
        case TaskEvent::Wait:
            return field::Wait::run_ns;
        case TaskEvent::Throttled:
            return field::Throttled::run_ns;
        case TaskEvent::Done:
            return field::Done::run_ns;
        case TaskEvent::Failed:
            return field::Failed::run_ns;
        case TaskEvent::Cancelled:
            if (record.numbers[field::Cancelled::from_state] == static_cast<std::uint64_t>(TaskState::Running))
                return field::Cancelled::run_ns;
            break;
        case TaskEvent::Spawned:
        case TaskEvent::Ready:
        case TaskEvent::Running:
            break;
    }
    return std::nullopt;
}

}  // namespace

TaskTimesSeen::TaskTimesSeen() {
    wait.reserve(kWaitKinds);
    for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
        wait.emplace_back(kDefaultBounds);
}

void TaskTimesSeen::merge(const TaskTimesSeen& other) {
    spawned += other.spawned;
    done += other.done;
    failed += other.failed;
    cancelled += other.cancelled;
    stalls += other.stalls;
    longest_stall_ns = std::max(longest_stall_ns, other.longest_stall_ns);
    run.merge(other.run);
    ready.merge(other.ready);
    for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
        wait[kind].merge(other.wait[kind]);
}

Durations TaskTimesSeen::waits() const {
    Durations all{kDefaultBounds};
    for (const Durations& kind : wait)
        all.merge(kind);
    return all;
}

class TaskStats::State {
  public:
    explicit State(const TaskStatsOptions& options)
        : max_pending_{options.max_pending},
          names_{std::min<std::size_t>(options.max_names, 65'000)},
          tasks_{options.kept_ended} {}

    void record(const pal::Record& record) {
        ++report_.records;
        if (record.is_transition()) ++report_.transitions;
        if (record.info == nullptr) {
            count_unknown(record.unknown);
            return;
        }
        ++report_.events[static_cast<std::size_t>(record.info->id)];
        dumps_.record(record);
        if (record.info->id == EventId::WorkerStarted || record.info->id == EventId::WorkerDumped) {
            name_scheduler(record.worker, record.text("scheduler"));
            return;
        }
        const std::uint32_t slot = slot_of(record.worker);
        switch (record.info->id) {
            case EventId::Group:
                groups_of(slots_[slot])[group_number(record.number("group"))] = record.text("name");
                return;
            case EventId::State:
                if (record.tid != 0) dumped({record.worker.instance, record.tid}, record);
                return;
            case EventId::Stalled:
                stalled(slot, record);
                return;
            default:
                if (record.info->is_transition()) transition(slot, record);
        }
    }

    void gap() { ++report_.gaps; }
    void end() { report_.has_end = true; }

    TaskReport finish() {
        tasks_.forget_all([this](KnownTask& task) { forget(task); });
        report_.workers = workers_.size();
        for (const auto& [id, slot] : workers_)
            if (!slots_[slot].known) ++report_.workers_unknown;
        add_schedulers();
        add_kinds();
        report_.dumps = dumps_.finish();
        return std::move(report_);
    }

  private:
    using Groups = std::map<std::uint16_t, std::string>;

    /// A scheduler of one process; or a worker's whose scheduler is not known yet, which points to it later.
    struct Slot {
        const std::string* scheduler = nullptr;  // its name; lives elsewhere
        bool known = false;
        std::uint32_t same_as = 0;  // itself, or the slot that it turned out to be
        std::array<std::uint64_t, kTransitions> transitions{};
        std::unique_ptr<Groups> groups{};  // most processes tell of none
    };

    std::uint32_t add_slot(const std::string& scheduler, bool known) {
        const auto added = static_cast<std::uint32_t>(slots_.size());
        slots_.push_back({&scheduler, known, added});
        return added;
    }
    static Groups& groups_of(Slot& slot) {
        if (slot.groups == nullptr) slot.groups = std::make_unique<Groups>();
        return *slot.groups;
    }

    std::uint32_t slot_of(const pal::WorkerId& worker) {
        if (last_slot_ == nullptr || last_worker_ != worker) {
            const auto [found, added] = workers_.try_emplace(worker, 0);
            if (added) found->second = add_slot(unknown_, false);
            last_slot_ = &found->second;
            last_worker_ = worker;
        }
        return *last_slot_;
    }

    void name_scheduler(const pal::WorkerId& worker, std::string_view scheduler) {
        const auto [found, added] = schedulers_.try_emplace({worker.instance, std::string{scheduler}}, 0);
        if (added) found->second = add_slot(found->first.second, true);
        const auto [of_worker, is_new] = workers_.try_emplace(worker, found->second);
        if (is_new) return;
        Slot& before = slots_[of_worker->second];
        if (!before.known) before.same_as = found->second;
        of_worker->second = found->second;
    }

    void count_unknown(const std::string& name) {
        constexpr std::size_t kMostNames = 1'000;  // a hostile log must not fill the memory
        if (report_.unknown_events.size() < kMostNames || report_.unknown_events.contains(name))
            ++report_.unknown_events[name];
        else
            ++report_.unknown_events[kOtherName];
    }

    void transition(std::uint32_t slot, const pal::Record& record) {
        const auto event = static_cast<TaskEvent>(record.info->id);
        ++slots_[slot].transitions[static_cast<std::size_t>(event)];
        const TaskKey key{record.worker.instance, record.tid};
        KnownTask& task = tasks_.at(key);
        if (event == TaskEvent::Spawned) {
            name_task(task, record);
            task.spawn_seen = true;
            see(task, {slot, What::spawned, 0, 0});
        }
        if (const auto run_ns = ended_run(event, record)) {
            see(task, {slot, What::run, 0, record.numbers[*run_ns]});
            if (std::exchange(task.stalled, false)) see(task, {slot, What::stalled_run, 0, record.numbers[*run_ns]});
        }
        if (event == TaskEvent::Running) {
            see(task, {slot, What::ready, 0, record.numbers[field::Running::ready_ns]});
            const std::uint64_t waited = record.numbers[field::Running::waited];
            const std::uint64_t wait_ns = record.numbers[field::Running::wait_ns];
            if (waited != number(WaitKind::none) || wait_ns != 0)
                see(task, {slot, What::wait, wait_kind(waited), wait_ns});
        }
        if (event == TaskEvent::Done) ended(key, task, {slot, What::done, 0, 0});
        if (event == TaskEvent::Failed) ended(key, task, {slot, What::failed, 0, 0});
        if (event == TaskEvent::Cancelled) ended(key, task, {slot, What::cancelled, 0, 0});
    }

    void stalled(std::uint32_t slot, const pal::Record& record) {
        const Sighting sighting{slot, What::stall, 0, record.numbers[field::Stalled::run_ns]};
        if (record.tid == 0) return unnamed_times(slot).add(sighting);  // nobody knew which task it was
        KnownTask& task = tasks_.at({record.worker.instance, record.tid});
        task.stalled = !task.ended;
        see(task, sighting);
    }

    void ended(const TaskKey& key, KnownTask& task, const Sighting& how) {
        see(task, how);
        if (tasks_.set_ended(key, task)) tasks_.forget_old([this](KnownTask& old) { forget(old); });
    }

    void dumped(const TaskKey& key, const pal::Record& record) {
        KnownTask& task = tasks_.at(key);
        task.dumped = true;
        name_task(task, record);
    }

    void name_task(KnownTask& task, const pal::Record& record) {
        if (task.named) return;
        task.named = true;
        task.name = names_.number(record.text("name"));
        task.group = group_number(record.number("group"));
        settle(task);
    }

    void see(KnownTask& task, const Sighting& sighting) {
        if (task.named)
            times_of(task, sighting.slot).add(sighting);
        else if (task.pending.size() < max_pending_)
            task.pending.push_back(sighting);
        else
            unnamed_times(sighting.slot).add(sighting);
    }

    void settle(KnownTask& task) {
        for (const Sighting& sighting : task.pending)
            (task.named ? times_of(task, sighting.slot) : unnamed_times(sighting.slot)).add(sighting);
        task.pending = {};
    }

    SlotTimes& times_of(KnownTask& task, std::uint32_t slot) {
        if (task.times == nullptr || task.times_slot != slot) {
            task.times = &times_[{slot, task.group, task.name}];  // a map's values stay where they are
            task.times_slot = slot;
        }
        return *task.times;
    }
    SlotTimes& unnamed_times(std::uint32_t slot) { return times_[{slot, KnownTask{}.group, KnownTask{}.name}]; }

    void forget(KnownTask& task) {
        settle(task);
        ++report_.tasks;
        if (!task.ended) ++report_.live;
        if (!task.spawn_seen) ++report_.unseen_start;
        if (!task.spawn_seen && task.dumped) ++report_.dumped_start;
        if (!task.named) ++report_.unnamed;
        if (task.name == Names::kOther) ++report_.tasks_other;
    }

    const Slot& resolved(std::uint32_t slot) const { return slots_[slots_[slot].same_as]; }

    void add_schedulers() {
        std::map<std::string, SchedulerCounts> by_name;
        for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) {
            const std::string& name = *resolved(slot).scheduler;
            SchedulerCounts& counts = by_name[name];
            counts.scheduler = name;
            for (std::size_t event = 0; event < kTransitions; ++event)
                counts.transitions[event] += slots_[slot].transitions[event];
        }
        for (auto& [name, counts] : by_name) {
            // a worker that told its scheduler before its first transition leaves an empty slot without a name
            const bool empty = std::ranges::all_of(counts.transitions, [](std::uint64_t count) { return count == 0; });
            if (!empty || name != kUnknownName) report_.schedulers.push_back(std::move(counts));
        }
    }

    std::string group_name(std::uint32_t slot, std::uint16_t group) const {
        if (group == 0) return "";
        if (group == kNoGroup) return kOtherName;
        for (const Slot* where : {&resolved(slot), &slots_[slot]}) {
            if (where->groups == nullptr) continue;
            const auto found = where->groups->find(group);
            if (found != where->groups->end()) return found->second;
        }
        return "#" + std::to_string(group);
    }

    void add_kinds() {
        // the names of groups that a worker told before its scheduler
        for (Slot& slot : slots_) {
            if (slot.groups == nullptr || &slots_[slot.same_as] == &slot) continue;
            Groups& known = groups_of(slots_[slot.same_as]);
            for (const auto& [group, name] : *slot.groups)
                known.try_emplace(group, name);
        }
        std::map<std::tuple<std::string, std::string, std::string>, TaskTimesSeen> by_name;
        for (const auto& [key, times] : times_) {
            const auto& [slot, group, name] = key;
            times.add_to(by_name[{*resolved(slot).scheduler, group_name(slot, group), names_.name(name)}]);
        }
        for (auto& [key, times] : by_name) {
            const auto& [scheduler, group, name] = key;
            report_.kinds.push_back({scheduler, group, name, std::move(times)});
        }
    }

    std::size_t max_pending_;
    TaskReport report_;
    pal::DumpWatch dumps_;
    Names names_;
    TaskTable tasks_;
    const std::string unknown_ = kUnknownName;
    std::deque<Slot> slots_;  // no vector: it would be twice as large while it grows
    std::map<pal::WorkerId, std::uint32_t> workers_;
    const std::uint32_t* last_slot_ = nullptr;  // in workers_, of the worker that was looked up last
    pal::WorkerId last_worker_;
    std::map<std::pair<std::uint64_t, std::string>, std::uint32_t> schedulers_;
    std::map<std::tuple<std::uint32_t, std::uint16_t, std::uint16_t>, SlotTimes> times_;
};

TaskStats::TaskStats(const TaskStatsOptions& options) : state_{std::make_unique<State>(options)} {}
TaskStats::~TaskStats() = default;

void TaskStats::begin(const pal::Begin&) {}
void TaskStats::record(const pal::Record& record) {
    state_->record(record);
}
void TaskStats::gap(const pal::Gap&) {
    state_->gap();
}
void TaskStats::end(const pal::End&) {
    state_->end();
}
TaskReport TaskStats::finish() {
    return state_->finish();
}

}  // namespace tiffany::analysis
