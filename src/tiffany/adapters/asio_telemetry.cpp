#include <tiffany/adapters/asio_telemetry.hpp>

namespace tiffany::asio {

Telemetry::Telemetry(std::string_view name, const TelemetryOptions& options) : SchedulerTelemetry{name, options} {
    list_tasks_by(this);
}

Telemetry::~Telemetry() {
    for (;;) {
        tiffany::detail::AsioTask* task = nullptr;
        {
            const std::lock_guard lock{mutex_};
            if (live_.empty()) return;
            task = live_.begin()->second;
        }
        task->abandon();
    }
}

void Telemetry::add(tiffany::detail::AsioTask& task) {
    const std::lock_guard lock{mutex_};
    live_.emplace(task.tid(), &task);
}

void Telemetry::remove(const tiffany::detail::AsioTask& task) noexcept {
    const std::lock_guard lock{mutex_};
    live_.erase(task.tid());
}

std::uint64_t Telemetry::list(std::uint64_t cursor, TaskTaker& taker) noexcept {
    // tried: another thread may have held it when this process was forked
    const std::unique_lock lock{mutex_, std::try_to_lock};
    if (!lock) return cursor;
    for (auto task = live_.upper_bound(cursor); task != live_.end(); ++task) {
        if (!taker.wants_more()) return cursor;
        taker.take(task->second->times());
        cursor = task->first;
    }
    return kEnd;
}

}  // namespace tiffany::asio
