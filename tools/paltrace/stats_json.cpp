// The JSON form of `paltrace stats`: docs/stats.md is its contract.

#include <nlohmann/json.hpp>
#include <ostream>

#include "stats_output.hpp"

namespace tiffany::paltrace {
namespace {

using analysis::Durations;
using analysis::TaskTimesSeen;
using Json = nlohmann::ordered_json;

Json times(const Durations& seen) {
    Json json;
    json["count"] = seen.count();
    json["unknown"] = seen.unknown();
    json["sum_ns"] = seen.sum_ns();
    for (const auto& [key, per_mille] :
         {std::pair{"p50_ns", 500u}, {"p90_ns", 900u}, {"p99_ns", 990u}, {"p99_9_ns", 999u}})
        json[key] = seen.count() == 0 ? Json{} : Json(seen.percentile(per_mille));
    json["max_ns"] = seen.count() == 0 ? Json{} : Json(seen.max_ns());
    return json;
}

template <typename Visit>
void each_wait(const TaskTimesSeen& seen, Visit visit) {
    for (std::size_t kind = 0; kind < seen.wait.size(); ++kind)
        if (seen.wait[kind].count() + seen.wait[kind].unknown() != 0)
            visit(std::string{label(static_cast<WaitKind>(kind))}, seen.wait[kind]);
}

void add_times(Json& to, const TaskTimesSeen& seen) {
    to["spawned"] = seen.spawned;
    to["ended"] = {{"done", seen.done}, {"failed", seen.failed}, {"cancelled", seen.cancelled}};
    to["stalled"] = {{"count", seen.stalls}, {"longest_ns", seen.stalls == 0 ? Json{} : Json(seen.longest_stall_ns)}};
    to["run"] = times(seen.run);
    to["ready"] = times(seen.ready);
    to["wait"] = Json::object();
    each_wait(seen, [&](const std::string& reason, const Durations& waits) { to["wait"][reason] = times(waits); });
}

Json histogram(const GroupTimes& group, const char* kind, const Durations& seen) {
    Json json{{"scheduler", group.scheduler}, {"group", group.group}, {"kind", kind}};
    json["count"] = seen.count();
    json["unknown"] = seen.unknown();
    json["sum_ns"] = seen.sum_ns();
    json["buckets"] = Json::array();
    std::uint64_t cumulative = 0;
    for (std::size_t i = 0; i < seen.buckets().size(); ++i) {
        cumulative += seen.buckets()[i];
        const Json bound = i < seen.bounds().size() ? Json(seen.bounds()[i]) : Json();
        json["buckets"].push_back({{"le_ns", bound}, {"count", seen.buckets()[i]}, {"cumulative", cumulative}});
    }
    return json;
}

Json histograms_of(const std::vector<GroupTimes>& groups) {
    Json all = Json::array();
    for (const GroupTimes& group : groups) {
        all.push_back(histogram(group, "run", group.times.run));
        all.push_back(histogram(group, "ready", group.times.ready));
        each_wait(group.times, [&](const std::string& reason, const Durations& waits) {
            Json one = histogram(group, "wait", waits);
            one["reason"] = reason;
            all.push_back(std::move(one));
        });
    }
    return all;
}

Json coverage(const analysis::TaskReport& report, const ctf::ReadSummary& seen, const TaskTimesSeen& total) {
    Json json;
    json["complete"] = report.has_end && seen.bad_parts.empty();
    json["lost"] = seen.lost;
    json["lost_is_upper_bound"] = seen.at_most;
    json["lost_unexplained"] = seen.unexplained;
    json["lost_tail"] = seen.tail;
    json["lost_others"] = seen.lost_others;
    json["gaps"] = report.gaps;
    json["untraced"] = seen.untraced;
    if (!seen.uncounted.empty()) json["uncounted"] = seen.uncounted;
    json["selection"] = seen.selection;
    json["tasks_start_not_seen"] = report.unseen_start;
    json["tasks_dumped"] = report.dumped_start;
    json["tasks_name_unknown"] = report.unnamed;
    json["tasks_name_not_kept"] = report.tasks_other;
    json["dumps"] = report.dumps.whole;
    json["dumps_incomplete"] = report.dumps.incomplete;
    json["workers"] = report.workers;
    json["workers_scheduler_unknown"] = report.workers_unknown;
    json["unknown_durations"] = {
        {"run", total.run.unknown()}, {"ready", total.ready.unknown()}, {"wait", total.waits().unknown()}};
    json["unknown_events"] = report.unknown_events;
    return json;
}

}  // namespace

void print_stats_json(const analysis::TaskReport& report, const ctf::ReadSummary& seen, bool histograms,
                      std::ostream& out) {
    const std::vector<GroupTimes> groups = by_group(report);
    TaskTimesSeen total;
    for (const GroupTimes& group : groups)
        total.merge(group.times);

    Json json;
    json["v"] = 1;
    json["records"] = report.records;
    json["transitions"] = report.transitions;
    json["events"] = Json::object();
    json["other_records"] = Json::object();
    for (const catalogue::EventInfo& event : catalogue::events())
        json[event.is_transition() ? "events" : "other_records"][std::string{event.name}] =
            report.events[static_cast<std::size_t>(event.id)];
    json["tasks"] = {{"seen", report.tasks},
                     {"done", total.done},
                     {"failed", total.failed},
                     {"cancelled", total.cancelled},
                     {"live", report.live}};
    json["coverage"] = coverage(report, seen, total);
    json["schedulers"] = Json::array();
    for (const analysis::SchedulerCounts& scheduler : report.schedulers) {
        Json one{{"scheduler", scheduler.scheduler}, {"events", Json::object()}};
        TaskTimesSeen of_scheduler;
        for (const GroupTimes& group : groups)
            if (group.scheduler == scheduler.scheduler) of_scheduler.merge(group.times);
        for (std::size_t event = 0; event < kTransitions; ++event)
            one["events"][std::string{label(static_cast<TaskEvent>(event))}] = scheduler.transitions[event];
        add_times(one, of_scheduler);
        json["schedulers"].push_back(std::move(one));
    }
    json["groups"] = Json::array();
    for (const GroupTimes& group : groups) {
        Json one{{"scheduler", group.scheduler}, {"group", group.group}};
        add_times(one, group.times);
        json["groups"].push_back(std::move(one));
    }
    json["tasks_by_name"] = Json::array();
    for (const analysis::KindOfTask& kind : report.kinds) {
        Json one{{"scheduler", kind.scheduler}, {"group", kind.group}, {"name", kind.name}};
        add_times(one, kind.times);
        json["tasks_by_name"].push_back(std::move(one));
    }
    if (histograms) json["histograms"] = histograms_of(groups);
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

}  // namespace tiffany::paltrace
