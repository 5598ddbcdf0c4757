#include <prometheus/check_names.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <tiffany/metrics/collectable.hpp>
#include <tiffany/telemetry/configure.hpp>
#include <utility>
#include <vector>

namespace tiffany {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNsPerSecond = 1e9;

double seconds(std::uint64_t ns) {
    return static_cast<double>(ns) / kNsPerSecond;
}

/// Builds the families of one scheduler; every series begins with the scheduler's label.
class Families {
  public:
    Families(const MetricsSnapshot& now, const std::string& prefix) : now_{now}, prefix_{prefix} {}

    std::vector<MetricFamily> take() && { return std::move(families_); }

    void begin(const char* name, const char* help, MetricType type) {
        families_.push_back({prefix_ + name, help, type, {}});
    }
    void gauge(double value, Labels labels = {}) { add(std::move(labels)).gauge.value = value; }
    void counter(double value, Labels labels = {}) { add(std::move(labels)).counter.value = value; }
    void histogram(const HistogramSnapshot& from, Labels labels) {
        ClientMetric::Histogram& to = add(std::move(labels)).histogram;
        std::uint64_t total = 0;
        for (std::size_t i = 0; i < from.counts.size(); ++i) {
            total += from.counts[i];
            const bool bounded = i < from.upper_ns.size();
            // the text format adds the bucket +Inf from the count itself
            if (bounded) to.bucket.push_back({total, seconds(from.upper_ns[i])});
        }
        to.sample_count = total;
        to.sample_sum = seconds(from.sum_ns);
    }

  private:
    ClientMetric& add(Labels labels) {
        ClientMetric metric;
        metric.label.push_back({"scheduler", now_.scheduler});
        for (ClientMetric::Label& label : labels)
            metric.label.push_back(std::move(label));
        return families_.back().metric.emplace_back(std::move(metric));
    }

    const MetricsSnapshot& now_;
    const std::string& prefix_;
    std::vector<MetricFamily> families_;
};

double tasks_in(const MetricsSnapshot& now, TaskState state) {
    return static_cast<double>(now.states[static_cast<std::size_t>(state)]);
}

double fired(const WorkSnapshot& work, TaskEvent event) {
    return static_cast<double>(work.transitions[static_cast<std::size_t>(event)]);
}

/// What series are made of: all workers together, or each with its label.
struct Part {
    const WorkSnapshot& work;
    Labels labels;

    Labels with(const char* name, std::string value) const {
        Labels all = labels;
        all.push_back({name, std::move(value)});
        return all;
    }
    // `group` appears when groups are registered
    Labels of_group(const GroupSnapshot& group) const {
        return work.groups.size() == 1 ? labels : with("group", group.name);
    }
};

std::vector<Part> parts_of(const MetricsSnapshot& now, bool by_worker) {
    if (!by_worker) return {{now, {}}};
    std::vector<Part> parts;
    for (const WorkerSnapshot& worker : now.each_worker)
        parts.push_back({worker, {{"worker", std::to_string(worker.worker)}}});
    return parts;
}

void add_gauges(Families& families, const MetricsSnapshot& now) {
    families.begin("scheduler_ready_queue_depth", "Tasks ready to run now.", MetricType::Gauge);
    families.gauge(tasks_in(now, TaskState::Ready));
    families.begin("tasks_state", "Live tasks in each state.", MetricType::Gauge);
    for (const TaskState state :
         {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
        families.gauge(tasks_in(now, state), {{"state", std::string{label(state)}}});
    families.begin("scheduler_workers", "Workers of threads with a loop, now.", MetricType::Gauge);
    families.gauge(static_cast<double>(now.workers));
    families.begin("scheduler_current_run_seconds", "The longest run that has not ended yet.", MetricType::Gauge);
    families.gauge(seconds(now.current_run_ns));
}

void add_counters(Families& families, const std::vector<Part>& parts) {
    families.begin("tasks_running_total", "Tasks that ended, by how.", MetricType::Counter);
    for (const Part& part : parts) {
        families.counter(fired(part.work, TaskEvent::Done), part.with("state", "done"));
        families.counter(fired(part.work, TaskEvent::Failed), part.with("state", "failed"));
        families.counter(fired(part.work, TaskEvent::Cancelled), part.with("state", "cancelled"));
    }
    families.begin("task_transitions_total", "Every transition of a task, by its event.", MetricType::Counter);
    for (const Part& part : parts)
        for (std::size_t i = 0; i < kTransitions; ++i) {
            const auto event = static_cast<TaskEvent>(i);
            families.counter(fired(part.work, event), part.with("event", std::string{label(event)}));
        }
    families.begin("task_budget_throttle_total", "Throttled events: quantum or budget exhausted.", MetricType::Counter);
    for (const Part& part : parts)
        families.counter(fired(part.work, TaskEvent::Throttled), part.labels);
    families.begin("scheduler_busy_seconds_total", "Time that workers of threads with a loop were not parked.",
                   MetricType::Counter);
    for (const Part& part : parts)
        families.counter(seconds(part.work.busy_ns), part.labels);
    families.begin("tiffany_lttng_left_out_total",
                   "Events not given to LTTng, because a blocking channel's consumer seems dead.", MetricType::Counter);
    for (const Part& part : parts)
        families.counter(static_cast<double>(part.work.lttng_left_out), part.labels);
}

void add_run_delay(Families& families, const MetricsSnapshot& now) {
    families.begin("scheduler_thread_run_delay_seconds_total",
                   "Time that the kernel let workers' threads wait for a CPU.", MetricType::Counter);
    families.counter(seconds(now.run_delay_ns));
}

void add_histograms(Families& families, const std::vector<Part>& parts) {
    families.begin("task_run_latency_seconds", "One uninterrupted run of a task.", MetricType::Histogram);
    for (const Part& part : parts)
        for (const GroupSnapshot& group : part.work.groups)
            families.histogram(group.run, part.of_group(group));
    families.begin("task_wait_time_seconds", "From the moment a task was first not ready until it ran again.",
                   MetricType::Histogram);
    for (const Part& part : parts)
        for (const GroupSnapshot& group : part.work.groups)
            for (const WaitKind kind : {WaitKind::sleep, WaitKind::join, WaitKind::iowait, WaitKind::throttled,
                                        WaitKind::dependency, WaitKind::wait}) {
                Labels labels = part.of_group(group);
                labels.push_back({"reason", std::string{label(kind)}});
                families.histogram(group.wait[static_cast<std::size_t>(kind)], std::move(labels));
            }
    families.begin("task_ready_delay_seconds", "From the event that made a task ready until it ran.",
                   MetricType::Histogram);
    for (const Part& part : parts)
        for (const GroupSnapshot& group : part.work.groups)
            families.histogram(group.ready, part.of_group(group));
}

class SchedulerCollectable : public prometheus::Collectable {
  public:
    SchedulerCollectable(std::function<std::optional<MetricsSnapshot>()> source, MetricsOptions options)
        : source_{std::move(source)}, options_{std::move(options)} {}

    std::vector<MetricFamily> Collect() const override try {
        const std::optional<MetricsSnapshot> now = source_();
        if (!now) return {};
        Families families{*now, options_.prefix};
        const std::vector<Part> parts = parts_of(*now, options_.by_worker);
        add_gauges(families, *now);
        add_counters(families, parts);
        add_run_delay(families, *now);
        add_histograms(families, parts);
        return std::move(families).take();
    } catch (...) {
        return {};  // no memory: an exception here would end the process
    }

  private:
    std::function<std::optional<MetricsSnapshot>()> source_;
    MetricsOptions options_;
};

/// The log of TIFFANY_PAL: nothing if nobody asked for one.
void add_log(std::vector<MetricFamily>& families) {
    const PalStatus log = pal_status();
    if (log.problem != PalProblem::none && log.problem != PalProblem::stripped) {
        ClientMetric why;
        why.label.push_back({"reason", std::string{label(log.problem)}});
        why.gauge.value = 1;
        families.push_back({"tiffany_pal_unavailable",
                            "A log was asked for and this process writes none, and why.",
                            MetricType::Gauge,
                            {why}});
    }
    if (log.where.empty()) return;
    ClientMetric lost;
    lost.counter.value = static_cast<double>(log.lost);
    families.push_back(
        {"tiffany_pal_lost_total", "Transitions that the process's own log lacks.", MetricType::Counter, {lost}});
}

class ProcessCollectable : public prometheus::Collectable {
  public:
    std::vector<MetricFamily> Collect() const override try {
        std::vector<MetricFamily> families;
        const TracingStatus status = tracing_status();
        if (status != TracingStatus::available && status != TracingStatus::not_tried) {
            ClientMetric why;
            why.label.push_back({"reason", std::string{label(status)}});
            why.gauge.value = 1;
            families.push_back({"tiffany_tracing_unavailable",
                                "LTTng is not traced in this process, and why.",
                                MetricType::Gauge,
                                {why}});
        }
        add_log(families);
        ClientMetric refused;
        refused.counter.value = static_cast<double>(refused_hooks());
        families.push_back({"tiffany_refused_hooks_total",
                            "Hooks that fired nothing: too many workers were alive.",
                            MetricType::Counter,
                            {refused}});
        return families;
    } catch (...) {
        return {};
    }
};

}  // namespace

std::shared_ptr<prometheus::Collectable> make_collectable(const SchedulerTelemetry& telemetry,
                                                          const MetricsOptions& options) {
    if (!options.prefix.empty() && !prometheus::CheckMetricName(options.prefix + "x"))
        throw std::invalid_argument{"no metric's name may begin with " + options.prefix};
    return std::make_shared<SchedulerCollectable>(telemetry.snapshot_source(options.by_worker), options);
}

std::shared_ptr<prometheus::Collectable> make_process_collectable() {
    return std::make_shared<ProcessCollectable>();
}

}  // namespace tiffany
