#pragma once
/// The telemetry of a program's Asio coroutines: a SchedulerTelemetry that also lists them for a tracer that comes
/// late.
///
///     tiffany::asio::Telemetry telemetry{"server"};   // before the io_context, which dies first
///     boost::asio::io_context context;

#include <tiffany/telemetry/hooks.hpp>

#if TIFFANY_TELEMETRY

#include <cstdint>
#include <map>
#include <mutex>
#include <string_view>
#include <tiffany/adapters/detail/asio_task.hpp>

namespace tiffany::asio {

/// Thread-safe, as SchedulerTelemetry. One for each io_context, or one for several that are one runtime.
class Telemetry final : public SchedulerTelemetry, private TaskList {
  public:
    /// As SchedulerTelemetry. Errors: the same.
    explicit Telemetry(std::string_view name, const TelemetryOptions& options = {});
    /// What is alive is told Cancelled (cause destroyed). No coroutine of it runs any more then; destroying one later
    /// is no harm.
    ~Telemetry();

  private:
    friend class tiffany::detail::AsioTask;
    void add(tiffany::detail::AsioTask& task);
    void remove(const tiffany::detail::AsioTask& task) noexcept;
    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override;

    std::mutex mutex_;
    std::map<std::uint64_t, tiffany::detail::AsioTask*> live_;  // by tid
};

}  // namespace tiffany::asio

#else

namespace tiffany::asio {
using Telemetry = SchedulerTelemetry;
}

#endif
