#pragma once
/// The text format 0.0.4 of families: https://prometheus.io/docs/instrumenting/exposition_formats/

#include <prometheus/metric_family.h>

#include <string>
#include <vector>

namespace tiffany {

/// Numbers as prometheus-cpp writes them, whatever the locale, without a stream: a tenth of its time for the page of a
/// hundred schedulers. Any thread. Errors: std::bad_alloc.
std::string text_format(const std::vector<prometheus::MetricFamily>& families);

}  // namespace tiffany
