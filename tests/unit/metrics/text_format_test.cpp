// The page's text, beside prometheus-cpp's own.

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>
#include <metrics/text_format.hpp>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

namespace tiffany {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

ClientMetric labelled(std::vector<ClientMetric::Label> labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    return metric;
}

std::string theirs(const std::vector<MetricFamily>& families) {
    return prometheus::TextSerializer{}.Serialize(families);
}

TEST(TextFormat, IsPrometheusCppsForEachKindOfMetric) {
    std::vector<MetricFamily> all;
    for (const MetricType type :
         {MetricType::Counter, MetricType::Gauge, MetricType::Untyped, MetricType::Summary, MetricType::Histogram})
        for (const bool has_help : {false, true}) {
            MetricFamily family{"m" + std::to_string(all.size()), has_help ? "What it is." : "", type, {}};
            for (const double value : {0.0, 1.0, 1500.0, -3.0, 0.5, 0.043, 1e-6, 123456789.25, 9007199254740991.0}) {
                ClientMetric metric = labelled(value < 1 ? std::vector<ClientMetric::Label>{}
                                                         : std::vector<ClientMetric::Label>{{"a", "x"}, {"b", ""}});
                metric.counter.value = metric.gauge.value = metric.untyped.value = value;
                metric.summary = {7, value, {{0.5, value}, {0.99, 2 * value}}};
                metric.histogram = {9, value, {{1, 1e-6}, {2, 0.0001}, {3, 0.25}, {5, 2}}};
                metric.timestamp_ms = value == 1500 ? 1'700'000'000'000 : 0;
                family.metric.push_back(metric);
            }
            all.push_back(family);
        }
    all.push_back({"empty", "Nothing.", MetricType::Gauge, {}});
    EXPECT_EQ(text_format(all), theirs(all));
}

TEST(TextFormat, EscapesWhatWouldEndALabelOrALine) {
    ClientMetric metric = labelled({{"a", "quote \" slash \\ line\nend"}});
    const std::vector<MetricFamily> family{{"m", "slash \\ line\nend \"", MetricType::Gauge, {metric}}};
    EXPECT_EQ(text_format(family),
              "# HELP m slash \\\\ line\\nend \"\n# TYPE m gauge\nm{a=\"quote \\\" slash \\\\ line\\nend\"} 0\n");
}

TEST(TextFormat, TellsWhatIsNoNumberAndKeepsABucketWithoutABound) {
    ClientMetric metric;
    metric.gauge.value = std::nan("");
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    ClientMetric low;
    low.gauge.value = -kInfinity;
    ClientMetric histogram;
    histogram.histogram = {3, 1, {{1, 1}, {3, kInfinity}}};
    EXPECT_EQ(text_format({{"m", "", MetricType::Gauge, {metric, low}}, {"h", "", MetricType::Histogram, {histogram}}}),
              "# TYPE m gauge\nm NaN\nm -Inf\n# TYPE h histogram\nh_count 3\nh_sum 1\nh_bucket{le=\"1\"} 1\n"
              "h_bucket{le=\"+Inf\"} 3\n");
}

TEST(TextFormat, AHistogramsBoundsAreItsOwn) {
    ClientMetric first = labelled({{"a", "1"}});
    first.histogram = {1, 1, {{1, 0.5}, {1, 2}}};
    ClientMetric second = labelled({{"a", "2"}});
    second.histogram = {1, 1, {{0, 0}, {1, 2}, {1, 4}}};
    const std::vector<MetricFamily> family{{"h", "", MetricType::Histogram, {first, second, first}}};
    EXPECT_EQ(text_format(family), theirs(family));
}

}  // namespace
}  // namespace tiffany
