#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <set>
#include <string_view>
#include <tiffany/metrics/scrape_text.hpp>
#include <utility>

#include "process_collectable.hpp"
#include "scheduler_collectable.hpp"
#include "text_format.hpp"

namespace tiffany {
namespace {

/// Two schedulers have the same families: the text format wants each name once.
void merge(std::vector<prometheus::MetricFamily>& families, prometheus::MetricFamily family) {
    for (prometheus::MetricFamily& have : families) {
        if (have.name != family.name) continue;
        for (auto& metric : family.metric)
            have.metric.push_back(std::move(metric));
        return;
    }
    families.push_back(std::move(family));
}

using Series = std::vector<prometheus::ClientMetric::Label>;

Series sorted(Series labels) {
    std::sort(labels.begin(), labels.end());
    return labels;
}

/// The same whatever the order of the labels.
std::size_t hash_of(const Series& labels) noexcept {
    std::size_t sum = 0;
    for (const auto& label : labels)
        sum += std::hash<std::string>{}(label.name) * 31 ^ std::hash<std::string>{}(label.value);
    return sum;
}

bool may_have_doubles(const prometheus::MetricFamily& family) {
    std::vector<std::size_t> hashes;
    hashes.reserve(family.metric.size());
    for (const prometheus::ClientMetric& metric : family.metric)
        hashes.push_back(hash_of(metric.label));
    std::sort(hashes.begin(), hashes.end());
    return std::adjacent_find(hashes.begin(), hashes.end()) != hashes.end();
}

/// The text format wants each series once, and Prometheus takes a page that has one twice for broken.
void drop_doubles(prometheus::MetricFamily& family) {
    if (!may_have_doubles(family)) return;
    std::set<Series> seen;
    std::erase_if(family.metric,
                  [&](const prometheus::ClientMetric& metric) { return !seen.insert(sorted(metric.label)).second; });
}

/// Of a collectable of ours all or an error; by Collect() it would leave out what it has no memory for.
std::vector<prometheus::MetricFamily> collect(const prometheus::Collectable& one) {
    return dynamic_cast<const ProcessCollectable*>(&one) != nullptr ? ProcessCollectable::families() : one.Collect();
}

/// Schedulers whose collectables are alike: their families are made at once.
struct Alike {
    const SchedulerCollectable* first;
    std::vector<std::string_view> told = {};
    std::vector<MetricsSnapshot> snapshots = {};

    void add(const SchedulerCollectable& one) {
        // each of those that have one name gives what all of them counted
        if (std::find(told.begin(), told.end(), one.of()) != told.end()) return;
        std::vector<MetricsSnapshot> found = one.snapshots();
        if (found.empty()) return;  // it has died: another one of its name may tell
        std::move(found.begin(), found.end(), std::back_inserter(snapshots));
        told.push_back(one.of());
    }
};

}  // namespace

std::string scrape_text(const std::vector<std::shared_ptr<prometheus::Collectable>>& from) {
    std::vector<prometheus::MetricFamily> families;
    std::vector<Alike> schedulers;
    for (const auto& collectable : from) {
        if (collectable == nullptr) continue;
        const auto* ours = dynamic_cast<const SchedulerCollectable*>(collectable.get());
        if (ours == nullptr) {
            for (prometheus::MetricFamily& family : collect(*collectable))
                merge(families, std::move(family));
            continue;
        }
        auto alike = std::find_if(schedulers.begin(), schedulers.end(),
                                  [&](const Alike& one) { return one.first->is_alike(*ours); });
        if (alike == schedulers.end()) alike = schedulers.insert(alike, Alike{ours});
        alike->add(*ours);
    }
    for (const Alike& alike : schedulers)
        for (prometheus::MetricFamily& family : families_of(alike.snapshots, alike.first->options()))
            merge(families, std::move(family));
    for (prometheus::MetricFamily& family : families)
        drop_doubles(family);
    return text_format(families);
}

}  // namespace tiffany
