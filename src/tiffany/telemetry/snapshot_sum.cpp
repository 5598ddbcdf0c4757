#include "snapshot_sum.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <tiffany/telemetry/detail/shard.hpp>
#include <utility>

namespace tiffany::detail {
namespace {

/// Those of its buckets that end at one of `upper_ns`, which it has, and the last.
void narrow(HistogramSnapshot& histogram, const std::vector<std::uint64_t>& upper_ns) {
    if (histogram.upper_ns == upper_ns) return;
    std::vector<std::uint64_t> counts(upper_ns.size() + 1);
    std::size_t to = 0;
    for (std::size_t i = 0; i < histogram.counts.size(); ++i) {
        counts[to] += histogram.counts[i];
        if (i < histogram.upper_ns.size() && to < upper_ns.size() && histogram.upper_ns[i] == upper_ns[to]) ++to;
    }
    histogram.upper_ns = upper_ns;
    histogram.counts = std::move(counts);
}

void add_histogram(HistogramSnapshot& total, HistogramSnapshot& more) {
    if (total.upper_ns != more.upper_ns) {
        std::vector<std::uint64_t> common;
        std::set_intersection(total.upper_ns.begin(), total.upper_ns.end(), more.upper_ns.begin(), more.upper_ns.end(),
                              std::back_inserter(common));
        narrow(total, common);
        narrow(more, common);
    }
    for (std::size_t i = 0; i < total.counts.size(); ++i)
        total.counts[i] += more.counts[i];
    total.sum_ns += more.sum_ns;
}

void add_group(std::vector<GroupSnapshot>& groups, GroupSnapshot& more) {
    auto to =
        std::find_if(groups.begin(), groups.end(), [&](const GroupSnapshot& one) { return one.name == more.name; });
    if (to == groups.end()) {
        if (groups.size() < kMaxGroups) {
            groups.push_back(std::move(more));
            return;
        }
        to = groups.begin();
    }
    add_histogram(to->run, more.run);
    add_histogram(to->ready, more.ready);
    for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
        add_histogram(to->wait[kind], more.wait[kind]);
}

/// One histogram has the same bounds in each group, as a family has to.
void align(std::vector<GroupSnapshot>& groups) {
    // the default group took part in every sum: its bounds are in all
    const auto to_common = [&](const auto& of) {
        std::vector<std::uint64_t> common = of(groups.front()).upper_ns;
        for (GroupSnapshot& group : groups) {
            std::vector<std::uint64_t> both;
            const std::vector<std::uint64_t>& its = of(group).upper_ns;
            std::set_intersection(common.begin(), common.end(), its.begin(), its.end(), std::back_inserter(both));
            common = std::move(both);
        }
        for (GroupSnapshot& group : groups)
            narrow(of(group), common);
    };
    to_common([](GroupSnapshot& group) -> HistogramSnapshot& { return group.run; });
    to_common([](GroupSnapshot& group) -> HistogramSnapshot& { return group.ready; });
    for (std::size_t kind = 0; kind < kWaitKinds; ++kind)
        to_common([kind](GroupSnapshot& group) -> HistogramSnapshot& { return group.wait[kind]; });
}

}  // namespace

void add_snapshot(MetricsSnapshot& total, MetricsSnapshot more) {
    for (std::size_t i = 0; i < kTransitions; ++i)
        total.transitions[i] += more.transitions[i];
    total.busy_ns += more.busy_ns;
    total.lttng_left_out += more.lttng_left_out;
    total.run_delay_ns += more.run_delay_ns;
    total.run_delay_known = total.run_delay_known || more.run_delay_known;
    for (GroupSnapshot& group : more.groups)
        add_group(total.groups, group);
    if (!total.groups.empty()) align(total.groups);
    for (std::size_t i = 0; i < kTaskStates; ++i)
        total.states[i] += more.states[i];
    total.workers += more.workers;
    total.current_run_ns = std::max(total.current_run_ns, more.current_run_ns);
    total.oldest_ready_ns = std::max(total.oldest_ready_ns, more.oldest_ready_ns);
    std::move(more.each_worker.begin(), more.each_worker.end(), std::back_inserter(total.each_worker));
}

}  // namespace tiffany::detail
