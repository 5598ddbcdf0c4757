#include <tiffany/telemetry/detail/fire.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>

#include "process.hpp"

namespace tiffany::detail {

void fire(EventId id, const void* event) noexcept {
    Process& process = Process::get();
    process.load_lttng();
    const auto number = static_cast<std::size_t>(id);
    kUsdtProbes[number](event);
    if (const LttngTable* lttng = process.lttng()) lttng->fire[number](event);
}

}  // namespace tiffany::detail
