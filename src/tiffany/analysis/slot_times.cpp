#include "slot_times.hpp"

#include <algorithm>

namespace tiffany::analysis {
namespace {

void add_sighting(TaskTimesSeen& times, const Sighting& sighting) {
    using What = Sighting::What;
    switch (sighting.what) {
        case What::spawned:
            ++times.spawned;
            break;
        case What::done:
            ++times.done;
            break;
        case What::failed:
            ++times.failed;
            break;
        case What::cancelled:
            ++times.cancelled;
            break;
        case What::run:
            times.run.add(sighting.ns);
            break;
        case What::ready:
            times.ready.add(sighting.ns);
            break;
        case What::wait:
            times.wait[sighting.wait_kind].add(sighting.ns);
            break;
        case What::stall:
            ++times.stalls;
            [[fallthrough]];
        case What::stalled_run:
            times.longest_stall_ns = std::max(times.longest_stall_ns, sighting.ns);
            break;
    }
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

void SlotTimes::add(const Sighting& sighting) {
    if (all_ == nullptr) {
        if (few_.size() < kFew) {
            few_.push_back(sighting);
            return;
        }
        all_ = std::make_unique<TaskTimesSeen>();
        for (const Sighting& early : few_)
            add_sighting(*all_, early);
        few_ = {};
    }
    add_sighting(*all_, sighting);
}

void SlotTimes::add_to(TaskTimesSeen& sum) const {
    if (all_ != nullptr) sum.merge(*all_);
    for (const Sighting& sighting : few_)
        add_sighting(sum, sighting);
}

}  // namespace tiffany::analysis
