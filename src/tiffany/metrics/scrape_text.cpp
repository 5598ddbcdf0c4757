#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <set>
#include <tiffany/metrics/scrape_text.hpp>
#include <utility>

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

/// Two schedulers of one name have the same series: the text format wants each once, and a sum would fall, which no
/// counter may, when one of them dies.
void drop_doubles(prometheus::MetricFamily& family) {
    std::set<std::vector<prometheus::ClientMetric::Label>> seen;
    std::erase_if(family.metric, [&](const prometheus::ClientMetric& metric) {
        auto labels = metric.label;
        std::sort(labels.begin(), labels.end());
        return !seen.insert(std::move(labels)).second;
    });
}

}  // namespace

std::string scrape_text(const std::vector<std::shared_ptr<prometheus::Collectable>>& from) {
    std::vector<prometheus::MetricFamily> families;
    for (const auto& collectable : from) {
        if (collectable == nullptr) continue;
        for (prometheus::MetricFamily& family : collectable->Collect())
            merge(families, std::move(family));
    }
    for (prometheus::MetricFamily& family : families)
        drop_doubles(family);
    return prometheus::TextSerializer{}.Serialize(families);
}

}  // namespace tiffany
