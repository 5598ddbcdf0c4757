#include "process_collectable.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/configure.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>
#include <vector>

namespace tiffany {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

/// Of the process: one series, or one for each value of a label.
class ProcessFamilies {
  public:
    void gauge(const char* name, const char* help, double value, Labels labels = {}) {
        ClientMetric metric;
        metric.label = std::move(labels);
        metric.gauge.value = value;
        add(name, help, MetricType::Gauge, std::move(metric));
    }
    void counter(const char* name, const char* help, std::uint64_t value) {
        ClientMetric metric;
        metric.counter.value = static_cast<double>(value);
        add(name, help, MetricType::Counter, std::move(metric));
    }
    std::vector<MetricFamily> take() && { return std::move(families_); }

  private:
    void add(const char* name, const char* help, MetricType type, ClientMetric metric) {
        if (families_.empty() || families_.back().name != name) families_.push_back({name, help, type, {}});
        families_.back().metric.push_back(std::move(metric));
    }
    std::vector<MetricFamily> families_;
};

void add_tracing(ProcessFamilies& families) {
    families.gauge("tiffany_build_info", "1, and what this program was built with.", 1,
                   {{"version", TIFFANY_VERSION},
                    {"catalogue", std::to_string(catalogue::kVersion)},
                    {"compiler", TIFFANY_COMPILER},
                    {"hooks", TIFFANY_TELEMETRY ? "on" : "off"}});
    const AttachedTracers tracers = attached_tracers();
    const char* const attached = "1 if a tracer of that kind takes events of this process now.";
    families.gauge("tiffany_tracing_attached", attached, tracers.lttng ? 1 : 0, {{"tracer", "lttng"}});
    families.gauge("tiffany_tracing_attached", attached, tracers.usdt ? 1 : 0, {{"tracer", "usdt"}});
    const TracingStatus status = tracing_status();
    if (status != TracingStatus::available && status != TracingStatus::not_tried)
        families.gauge("tiffany_tracing_unavailable", "LTTng is not traced in this process, and why.", 1,
                       {{"reason", std::string{label(status)}}});
}

/// The log of TIFFANY_PAL: nothing if nobody asked for one.
void add_log(ProcessFamilies& families) {
    const PalStatus log = pal_status();
    if (log.problem != PalProblem::none && log.problem != PalProblem::stripped)
        families.gauge("tiffany_pal_unavailable", "A log was asked for and this process writes none, and why.", 1,
                       {{"reason", std::string{label(log.problem)}}});
    if (log.where.empty()) return;
    families.counter("tiffany_pal_lost_total", "Transitions that the process's own log lacks.", log.lost);
    families.counter("tiffany_pal_lost_others_total", "Other events that the process's own log lacks.",
                     log.lost_others);
    families.counter("tiffany_pal_readers_lost_total",
                     "Transitions that readers of the log's socket were too slow for, summed over them.",
                     log.readers_lost);
}

void add_sink(ProcessFamilies& families) {
    const SinkStats sink = sink_stats();
    families.counter("tiffany_sink_lost_total", "Transitions that the program's own sink was not told.", sink.lost);
    families.counter("tiffany_sink_lost_others_total", "Other events that the program's own sink was not told.",
                     sink.lost_others);
}

void add_workers(ProcessFamilies& families) {
    const WorkerCounts workers = worker_counts();
    families.gauge("tiffany_workers", "Workers that threads hold now, foreign threads too.",
                   static_cast<double>(workers.held));
    families.gauge("tiffany_worker_indices", "Of 65,536 indices of workers, those in use.",
                   static_cast<double>(workers.indices));
    families.counter(
        "tiffany_refused_hooks_total",
        "Hooks that fired nothing: too many workers were alive, the thread was at its end, or no memory was left.",
        refused_hooks());
}

}  // namespace

std::vector<MetricFamily> ProcessCollectable::families() {
    ProcessFamilies families;
    add_tracing(families);
    add_log(families);
    add_sink(families);
    add_workers(families);
    return std::move(families).take();
}

std::vector<MetricFamily> ProcessCollectable::Collect() const try { return families(); } catch (...) {
    return {};  // no memory: an exception here would end the process
}

std::shared_ptr<prometheus::Collectable> make_process_collectable() {
    return std::make_shared<ProcessCollectable>();
}

}  // namespace tiffany
