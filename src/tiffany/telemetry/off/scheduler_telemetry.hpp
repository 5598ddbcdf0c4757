#pragma once
/// A scheduler's telemetry without telemetry: a name and a clock. Included by
/// tiffany/telemetry/scheduler_telemetry.hpp.

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <tiffany/telemetry/off/task_list.hpp>
#include <tiffany/telemetry/off/worker.hpp>
#include <tiffany/telemetry/telemetry_options.hpp>
#include <vector>

namespace tiffany {
inline namespace off {

class WorkerLease {
  public:
    WorkerLease() = default;
    WorkerLease(WorkerLease&&) noexcept {}
    WorkerLease& operator=(WorkerLease&&) noexcept { return *this; }
    ~WorkerLease() {}  // NOLINT(modernize-use-equals-default): not trivial, an unused one is no warning here either

    Worker& operator*() const noexcept { return worker_; }
    Worker* operator->() const noexcept { return &worker_; }

  private:
    mutable Worker worker_;
};

class SchedulerTelemetry {
  public:
    explicit SchedulerTelemetry(std::string_view name, const TelemetryOptions& options = {})
        : name_{name}, clock_{options.clock} {}
    SchedulerTelemetry(const SchedulerTelemetry&) = delete;
    SchedulerTelemetry& operator=(const SchedulerTelemetry&) = delete;

    WorkerLease worker() { return {}; }
    Worker& here() noexcept { return nobody_; }
    std::uint16_t group(std::string_view) { return 0; }
    void list_tasks_by(TaskList*) noexcept {}

    void watch(std::chrono::nanoseconds) {}
    static constexpr std::chrono::nanoseconds watch_bound() noexcept { return std::chrono::nanoseconds{0}; }

    const std::string& name() const noexcept { return name_; }
    Clock& clock() const noexcept { return clock_ != nullptr ? *clock_ : Clock::system(); }

    std::uint64_t count(TaskEvent) const { return 0; }
    std::uint64_t transitions() const { return 0; }
    MetricsSnapshot snapshot(bool = false) const { return {}; }
    std::function<std::optional<MetricsSnapshot>()> snapshot_source(bool = false) const {
        return [] { return std::optional<MetricsSnapshot>{}; };
    }
    std::function<std::optional<MetricsSnapshot>()> named_snapshot_source(bool = false) const {
        return snapshot_source();
    }

  private:
    std::string name_;
    Clock* clock_;
    [[no_unique_address]] Worker nobody_;
};

inline std::vector<MetricsSnapshot> named_snapshots(bool = false) {
    return {};
}
struct WorkerCounts {
    std::uint64_t held = 0;
    std::uint64_t indices = 0;
};
constexpr WorkerCounts worker_counts() noexcept {
    return {};
}
constexpr std::uint64_t refused_hooks() noexcept {
    return 0;
}

}  // namespace off
}  // namespace tiffany
