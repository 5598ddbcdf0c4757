#include <prometheus/check_names.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <tiffany/metrics/collectable.hpp>
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

double fired(const MetricsSnapshot& now, TaskEvent event) {
    return static_cast<double>(now.transitions[static_cast<std::size_t>(event)]);
}

void add_counts(Families& families, const MetricsSnapshot& now) {
    families.begin("scheduler_ready_queue_depth", "Tasks ready to run now.", MetricType::Gauge);
    families.gauge(tasks_in(now, TaskState::Ready));
    families.begin("tasks_running_total", "Tasks that ended, by how.", MetricType::Counter);
    families.counter(fired(now, TaskEvent::Done), {{"state", "done"}});
    families.counter(fired(now, TaskEvent::Failed), {{"state", "failed"}});
    families.counter(fired(now, TaskEvent::Cancelled), {{"state", "cancelled"}});
    families.begin("task_transitions_total", "Every transition of a task, by its event.", MetricType::Counter);
    for (std::size_t i = 0; i < kTransitions; ++i) {
        const auto event = static_cast<TaskEvent>(i);
        families.counter(fired(now, event), {{"event", std::string{label(event)}}});
    }
    families.begin("tasks_state", "Live tasks in each state.", MetricType::Gauge);
    for (const TaskState state :
         {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
        families.gauge(tasks_in(now, state), {{"state", std::string{label(state)}}});
    families.begin("task_budget_throttle_total", "Throttled events: quantum or budget exhausted.", MetricType::Counter);
    families.counter(fired(now, TaskEvent::Throttled));
}

void add_worker_times(Families& families, const MetricsSnapshot& now) {
    families.begin("scheduler_workers", "Workers of threads with a loop, now.", MetricType::Gauge);
    families.gauge(static_cast<double>(now.workers));
    families.begin("scheduler_busy_seconds_total", "Time that workers of threads with a loop were not parked.",
                   MetricType::Counter);
    families.counter(seconds(now.busy_ns));
    families.begin("scheduler_current_run_seconds", "The longest run that has not ended yet.", MetricType::Gauge);
    families.gauge(seconds(now.current_run_ns));
    families.begin("scheduler_thread_run_delay_seconds_total",
                   "Time that the kernel let workers' threads wait for a CPU.", MetricType::Counter);
    families.counter(seconds(now.run_delay_ns));
}

// `group` appears when groups are registered
Labels group_label(const MetricsSnapshot& now, const GroupSnapshot& group) {
    if (now.groups.size() == 1) return {};
    return {{"group", group.name}};
}

void add_histograms(Families& families, const MetricsSnapshot& now) {
    families.begin("task_run_latency_seconds", "One uninterrupted run of a task.", MetricType::Histogram);
    for (const GroupSnapshot& group : now.groups)
        families.histogram(group.run, group_label(now, group));
    families.begin("task_wait_time_seconds", "From the moment a task was first not ready until it ran again.",
                   MetricType::Histogram);
    for (const GroupSnapshot& group : now.groups)
        for (const WaitKind kind : {WaitKind::sleep, WaitKind::join, WaitKind::iowait, WaitKind::throttled,
                                    WaitKind::dependency, WaitKind::wait}) {
            Labels labels = group_label(now, group);
            labels.push_back({"reason", std::string{label(kind)}});
            families.histogram(group.wait[static_cast<std::size_t>(kind)], std::move(labels));
        }
    families.begin("task_ready_delay_seconds", "From the event that made a task ready until it ran.",
                   MetricType::Histogram);
    for (const GroupSnapshot& group : now.groups)
        families.histogram(group.ready, group_label(now, group));
}

class SchedulerCollectable : public prometheus::Collectable {
  public:
    SchedulerCollectable(std::function<std::optional<MetricsSnapshot>()> source, std::string prefix)
        : source_{std::move(source)}, prefix_{std::move(prefix)} {}

    std::vector<MetricFamily> Collect() const override try {
        const std::optional<MetricsSnapshot> now = source_();
        if (!now) return {};
        Families families{*now, prefix_};
        add_counts(families, *now);
        add_worker_times(families, *now);
        add_histograms(families, *now);
        return std::move(families).take();
    } catch (...) {
        return {};  // no memory: an exception here would end the process
    }

  private:
    std::function<std::optional<MetricsSnapshot>()> source_;
    std::string prefix_;
};

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
    return std::make_shared<SchedulerCollectable>(telemetry.snapshot_source(), options.prefix);
}

std::shared_ptr<prometheus::Collectable> make_process_collectable() {
    return std::make_shared<ProcessCollectable>();
}

}  // namespace tiffany
