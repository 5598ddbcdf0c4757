#include <prometheus/check_names.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <optional>
#include <stdexcept>
#include <tiffany/metrics/collectable.hpp>
#include <utility>
#include <vector>

#include "scheduler_collectable.hpp"

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

/// One name's numbers; every series begins with the scheduler's label.
struct Named {
    Part all;
    std::vector<Part> parts;
    const MetricsSnapshot& now;

    Named(const MetricsSnapshot& snapshot, bool by_worker)
        : all{snapshot, {{"scheduler", snapshot.scheduler}}}, now{snapshot} {
        if (!by_worker) parts.push_back(all);
        for (const WorkerSnapshot& worker : snapshot.each_worker)
            parts.push_back({worker, all.with("worker", std::to_string(worker.worker))});
    }
};

/// Builds families, each with the series of all names.
class Families {
  public:
    explicit Families(const std::string& prefix) : prefix_{prefix} {}

    std::vector<MetricFamily> take() && { return std::move(families_); }

    void begin(const char* name, const char* help, MetricType type) {
        families_.push_back({prefix_ + name, help, type, {}});
    }
    void gauge(double value, Labels labels) { add(std::move(labels)).gauge.value = value; }
    void counter(double value, Labels labels) { add(std::move(labels)).counter.value = value; }
    void histogram(const HistogramSnapshot& from, Labels labels) {
        ClientMetric::Histogram& to = add(std::move(labels)).histogram;
        to.bucket.reserve(from.upper_ns.size());
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
    /// A family without series is none.
    void end() {
        if (families_.back().metric.empty()) families_.pop_back();
    }

  private:
    ClientMetric& add(Labels labels) {
        ClientMetric& metric = families_.back().metric.emplace_back();
        metric.label = std::move(labels);
        return metric;
    }

    const std::string& prefix_;
    std::vector<MetricFamily> families_;
};

double tasks_in(const MetricsSnapshot& now, TaskState state) {
    return static_cast<double>(now.states[static_cast<std::size_t>(state)]);
}

double fired(const WorkSnapshot& work, TaskEvent event) {
    return static_cast<double>(work.transitions[static_cast<std::size_t>(event)]);
}

void add_gauges(Families& families, const std::vector<Named>& names) {
    families.begin("scheduler_ready_queue_depth", "Tasks ready to run now.", MetricType::Gauge);
    for (const Named& one : names)
        families.gauge(tasks_in(one.now, TaskState::Ready), one.all.labels);
    families.begin("scheduler_oldest_ready_seconds",
                   "So long, at least, the oldest ready task has been ready: as far as earlier scrapes know.",
                   MetricType::Gauge);
    for (const Named& one : names)
        families.gauge(seconds(one.now.oldest_ready_ns), one.all.labels);
    families.begin("tasks_state", "Live tasks in each state.", MetricType::Gauge);
    for (const Named& one : names)
        for (const TaskState state :
             {TaskState::Ready, TaskState::Running, TaskState::Sleeping, TaskState::Waiting, TaskState::Throttled})
            families.gauge(tasks_in(one.now, state), one.all.with("state", std::string{label(state)}));
    families.begin("scheduler_workers", "Workers of threads with a loop, now.", MetricType::Gauge);
    for (const Named& one : names)
        families.gauge(static_cast<double>(one.now.workers), one.all.labels);
    families.begin("scheduler_current_run_seconds", "The longest run that has not ended yet.", MetricType::Gauge);
    for (const Named& one : names)
        families.gauge(seconds(one.now.current_run_ns), one.all.labels);
}

/// A family whose series are one a part.
template <typename Value>
void add_counter(Families& families, const std::vector<Named>& names, const char* name, const char* help,
                 const Value& value) {
    families.begin(name, help, MetricType::Counter);
    for (const Named& one : names)
        for (const Part& part : one.parts)
            families.counter(value(part.work), part.labels);
}

void add_counters(Families& families, const std::vector<Named>& names) {
    families.begin("tasks_running_total", "Tasks that ended, by how.", MetricType::Counter);
    for (const Named& one : names)
        for (const Part& part : one.parts) {
            families.counter(fired(part.work, TaskEvent::Done), part.with("state", "done"));
            families.counter(fired(part.work, TaskEvent::Failed), part.with("state", "failed"));
            families.counter(fired(part.work, TaskEvent::Cancelled), part.with("state", "cancelled"));
        }
    families.begin("task_transitions_total", "Every transition of a task, by its event.", MetricType::Counter);
    for (const Named& one : names)
        for (const Part& part : one.parts)
            for (std::size_t i = 0; i < kTransitions; ++i) {
                const auto event = static_cast<TaskEvent>(i);
                families.counter(fired(part.work, event), part.with("event", std::string{label(event)}));
            }
    add_counter(families, names, "task_budget_throttle_total", "Throttled events: quantum or budget exhausted.",
                [](const WorkSnapshot& work) { return fired(work, TaskEvent::Throttled); });
    add_counter(families, names, "scheduler_busy_seconds_total",
                "Time that workers of threads with a loop were not parked.",
                [](const WorkSnapshot& work) { return seconds(work.busy_ns); });
    add_counter(families, names, "tiffany_lttng_left_out_total",
                "Events not given to LTTng, because a blocking channel would have kept the program for long.",
                [](const WorkSnapshot& work) { return static_cast<double>(work.lttng_left_out); });
    // not there, rather than 0, where the kernel does not tell it
    families.begin("scheduler_thread_run_delay_seconds_total",
                   "Time that the kernel let workers' threads wait for a CPU.", MetricType::Counter);
    for (const Named& one : names)
        for (const Part& part : one.parts)
            if (part.work.run_delay_known) families.counter(seconds(part.work.run_delay_ns), part.labels);
    families.end();
}

/// Histograms of each group.
template <typename Add>
void add_histograms_of(Families& families, const std::vector<Named>& names, const char* name, const char* help,
                       const Add& add) {
    families.begin(name, help, MetricType::Histogram);
    for (const Named& one : names)
        for (const Part& part : one.parts)
            for (const GroupSnapshot& group : part.work.groups)
                add(group, part.of_group(group));
}

void add_histograms(Families& families, const std::vector<Named>& names) {
    add_histograms_of(
        families, names, "task_run_latency_seconds", "One uninterrupted run of a task.",
        [&](const GroupSnapshot& group, Labels labels) { families.histogram(group.run, std::move(labels)); });
    add_histograms_of(families, names, "task_wait_time_seconds",
                      "From the moment a task was first not ready until it ran again.",
                      [&](const GroupSnapshot& group, const Labels& of_group) {
                          for (const WaitKind kind : {WaitKind::sleep, WaitKind::join, WaitKind::iowait,
                                                      WaitKind::throttled, WaitKind::dependency, WaitKind::wait}) {
                              Labels labels = of_group;
                              labels.push_back({"reason", std::string{label(kind)}});
                              families.histogram(group.wait[static_cast<std::size_t>(kind)], std::move(labels));
                          }
                      });
    add_histograms_of(
        families, names, "task_ready_delay_seconds", "From the event that made a task ready until it ran.",
        [&](const GroupSnapshot& group, Labels labels) { families.histogram(group.ready, std::move(labels)); });
}

void check(const MetricsOptions& options) {
    if (!options.prefix.empty() && !prometheus::CheckMetricName(options.prefix + "x"))
        throw std::invalid_argument{"no metric's name may begin with " + options.prefix};
}

}  // namespace

std::vector<MetricFamily> families_of(const std::vector<MetricsSnapshot>& snapshots, const MetricsOptions& options) {
    if (snapshots.empty()) return {};
    std::vector<Named> names;
    names.reserve(snapshots.size());
    for (const MetricsSnapshot& one : snapshots)
        names.emplace_back(one, options.by_worker);
    Families families{options.prefix};
    add_gauges(families, names);
    add_counters(families, names);
    add_histograms(families, names);
    return std::move(families).take();
}

std::vector<MetricFamily> SchedulerCollectable::Collect() const try {
    return families_of(source_(), options_);
} catch (...) {
    return {};  // no memory: an exception here would end the process
}

std::shared_ptr<prometheus::Collectable> make_collectable(const SchedulerTelemetry& telemetry,
                                                          const MetricsOptions& options) {
    check(options);
    auto source = [one = telemetry.named_snapshot_source(options.by_worker)] {
        std::vector<MetricsSnapshot> found;
        if (std::optional<MetricsSnapshot> now = one()) found.push_back(std::move(*now));
        return found;
    };
    return std::make_shared<SchedulerCollectable>("=" + telemetry.name(), std::move(source), options);
}

std::shared_ptr<prometheus::Collectable> make_schedulers_collectable(const MetricsOptions& options) {
    check(options);
    return std::make_shared<SchedulerCollectable>(
        "*", [by_worker = options.by_worker] { return named_snapshots(by_worker); }, options);
}

}  // namespace tiffany
