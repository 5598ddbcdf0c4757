#include <algorithm>
#include <deque>
#include <memory>
#include <numeric>
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

constexpr std::size_t kNowhere = pal::kMaxFields;

/// Where run_ns is in an event that ends a run, if it does (Cancelled: if the task was Running).
constexpr std::size_t place_of_run(TaskEvent event) {
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
            return field::Cancelled::run_ns;
        case TaskEvent::Spawned:
        case TaskEvent::Ready:
        case TaskEvent::Running:
            break;
    }
    return kNowhere;
}

constexpr std::array<std::size_t, kTransitions> kPlacesOfRuns = [] {
    std::array<std::size_t, kTransitions> places{};
    for (std::size_t event = 0; event < places.size(); ++event)
        places[event] = place_of_run(static_cast<TaskEvent>(event));
    return places;
}();

bool ends_no_run(const pal::Record& record) {
    return record.info->id == EventId::TaskCancelled &&
           record.numbers[field::Cancelled::from_state] != static_cast<std::uint64_t>(TaskState::Running);
}

}  // namespace

class TaskStats::State {
  public:
    explicit State(const TaskStatsOptions& options)
        : max_pending_{options.max_pending},
          names_{std::min<std::size_t>(options.max_names, 65'000)},
          tasks_{options.kept_ended} {}

    void record(const pal::Record& record) {
        if (record.info != nullptr && record.info->is_transition())
            transition(slot_of(record.worker), record);
        else
            other(record);
    }

    void other(const pal::Record& record) {
        if (record.info == nullptr) {
            count_unknown(record);
            return;
        }
        ++report_.events[static_cast<std::size_t>(record.info->id)];
        dumps_.record(record);
        if (record.info->id == EventId::WorkerStarted || record.info->id == EventId::WorkerDumped) {
            name_scheduler(record.worker, record.text("scheduler"));
            return;
        }
        Slot& slot = slot_of(record.worker);
        switch (record.info->id) {
            case EventId::Group:
                groups_of(slot)[group_number(record.number("group"))] = record.text("name");
                return;
            case EventId::State:
                if (record.tid != 0) dumped(record);
                return;
            case EventId::Stalled:
                stalled(slot.number, record);
                return;
            default:
                return;
        }
    }

    void gap() { ++report_.gaps; }
    void end() { report_.has_end = true; }

    TaskReport finish() {
        tasks_.forget_all([this](KnownTask& task) { forget(task); });
        add_counts();
        report_.workers = workers_.size();
        for (const auto& [id, slot] : workers_)
            if (!slot->known) ++report_.workers_unknown;
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
        std::uint32_t number = 0;
        std::uint32_t same_as = 0;  // itself, or the slot that it turned out to be
        std::array<std::uint64_t, kTransitions> transitions{};
        std::unique_ptr<Groups> groups{};  // most processes tell of none
    };

    Slot& add_slot(const std::string& scheduler, bool known) {
        const auto number = static_cast<std::uint32_t>(slots_.size());
        return slots_.emplace_back(Slot{&scheduler, known, number, number});
    }
    static Groups& groups_of(Slot& slot) {
        if (slot.groups == nullptr) slot.groups = std::make_unique<Groups>();
        return *slot.groups;
    }

    /// A worker that was looked up lately.
    struct NearWorker {
        pal::WorkerId id;
        Slot* slot = nullptr;
    };
    NearWorker& near_of(const pal::WorkerId& worker) {
        return near_workers_[(worker.instance + worker.index) % near_workers_.size()];
    }
    Slot& slot_of(const pal::WorkerId& worker) {
        const NearWorker& near = near_of(worker);
        return near.slot != nullptr && near.id == worker ? *near.slot : find_slot(worker);
    }
    Slot& find_slot(const pal::WorkerId& worker) {
        const auto [found, added] = workers_.try_emplace(worker, nullptr);
        if (added) found->second = &add_slot(unknown_, false);
        near_of(worker) = {worker, found->second};
        return *found->second;
    }

    void name_scheduler(const pal::WorkerId& worker, std::string_view scheduler) {
        const auto [found, added] = schedulers_.try_emplace({worker.instance, std::string{scheduler}}, nullptr);
        if (added) found->second = &add_slot(found->first.second, true);
        near_of(worker) = {worker, found->second};
        const auto [of_worker, is_new] = workers_.try_emplace(worker, found->second);
        if (is_new) return;
        Slot& before = *of_worker->second;
        if (!before.known) before.same_as = found->second->number;
        of_worker->second = found->second;
    }

    void count_unknown(const pal::Record& record) {
        ++report_.records;
        if (record.is_transition()) ++report_.transitions;
        const std::string& name = record.unknown;
        constexpr std::size_t kMostNames = 1'000;  // a hostile log must not fill the memory
        if (report_.unknown_events.size() < kMostNames || report_.unknown_events.contains(name))
            ++report_.unknown_events[name];
        else
            ++report_.unknown_events[kOtherName];
    }

    void transition(Slot& slot, const pal::Record& record) {
        const auto event = static_cast<std::size_t>(record.info->id);
        ++slot.transitions[event];
        KnownTask& task = tasks_.at({record.worker.instance, record.tid});
        if (record.info->id == EventId::TaskRunning) return running(slot.number, task, record);
        if (record.info->id == EventId::TaskSpawned) return spawned(slot.number, task, record);
        const std::size_t place = kPlacesOfRuns[event];
        if (place == kNowhere) return;
        if (!ends_no_run(record)) run_ended(slot.number, task, record.numbers[place]);
        ended(slot.number, task, record);
    }

    void running(std::uint32_t slot, KnownTask& task, const pal::Record& record) {
        const std::uint64_t ready_ns = record.numbers[field::Running::ready_ns];
        const std::uint64_t waited = record.numbers[field::Running::waited];
        const std::uint64_t wait_ns = record.numbers[field::Running::wait_ns];
        const bool has_waited = waited != number(WaitKind::none) || wait_ns != 0;
        if (TaskTimesSeen* const times = all_times(task, slot)) {
            times->ready.add(ready_ns);
            if (has_waited) times->wait[wait_kind(waited)].add(wait_ns);
            return;
        }
        see(task, {slot, What::ready, 0, ready_ns});
        if (has_waited) see(task, {slot, What::wait, wait_kind(waited), wait_ns});
    }

    void spawned(std::uint32_t slot, KnownTask& task, const pal::Record& record) {
        name_task(task, record, field::Spawned::group);
        task.spawn_seen = true;
        see(task, {slot, What::spawned, 0, 0});
    }

    void run_ended(std::uint32_t slot, KnownTask& task, std::uint64_t run_ns) {
        if (TaskTimesSeen* const times = all_times(task, slot))
            times->run.add(run_ns);
        else
            see(task, {slot, What::run, 0, run_ns});
        if (std::exchange(task.stalled, false)) see(task, {slot, What::stalled_run, 0, run_ns});
    }

    void ended(std::uint32_t slot, KnownTask& task, const pal::Record& record) {
        const auto how = [&] {
            switch (record.info->id) {
                case EventId::TaskDone:
                    return What::done;
                case EventId::TaskFailed:
                    return What::failed;
                case EventId::TaskCancelled:
                    return What::cancelled;
                default:
                    return What::run;  // it goes on
            }
        }();
        if (how == What::run) return;
        see(task, {slot, how, 0, 0});
        if (tasks_.set_ended({record.worker.instance, record.tid}, task))
            tasks_.forget_old([this](KnownTask& old) { forget(old); });
    }

    void stalled(std::uint32_t slot, const pal::Record& record) {
        const Sighting sighting{slot, What::stall, 0, record.numbers[field::Stalled::run_ns]};
        if (record.tid == 0) return unnamed_times(slot).add(sighting);  // nobody knew which task it was
        KnownTask& task = tasks_.at({record.worker.instance, record.tid});
        task.stalled = !task.ended;
        see(task, sighting);
    }

    void dumped(const pal::Record& record) {
        KnownTask& task = tasks_.at({record.worker.instance, record.tid});
        task.dumped = true;
        name_task(task, record, field::State::group);
    }

    void name_task(KnownTask& task, const pal::Record& record, std::size_t place_of_group) {
        if (task.named) return;
        task.named = true;
        task.name = names_.number(record.text("name"));
        task.group = group_number(record.numbers[place_of_group]);
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
    /// What is known of the task's kind, if that is much and was asked for before; or null.
    static TaskTimesSeen* all_times(const KnownTask& task, std::uint32_t slot) {
        return task.times != nullptr && task.times_slot == slot ? task.times->all() : nullptr;
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

    /// Known transitions are counted by slot alone, the records of all other events by event.
    void add_counts() {
        for (const Slot& slot : slots_)
            for (std::size_t event = 0; event < kTransitions; ++event) {
                report_.events[event] += slot.transitions[event];
                report_.transitions += slot.transitions[event];
            }
        report_.records = std::accumulate(report_.events.begin(), report_.events.end(), report_.records);
    }

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
    std::map<pal::WorkerId, Slot*> workers_;
    std::array<NearWorker, 16> near_workers_{};
    std::map<std::pair<std::uint64_t, std::string>, Slot*> schedulers_;
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
