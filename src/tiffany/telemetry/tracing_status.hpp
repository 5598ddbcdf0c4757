#pragma once
/// Whether this process can be traced by LTTng, and why not.

#include <cstdint>
#include <string_view>
#include <tiffany/telemetry/config.hpp>

namespace tiffany {

/// Why LTTng is not traced in this process; a closed set.
enum class TracingStatus : std::uint8_t {
    available,     ///< the provider is loaded
    not_tried,     ///< no scheduler was made yet
    disabled,      ///< TIFFANY_LTTNG=0
    no_module,     ///< libtiffany-lttng.so was not found
    no_lttng,      ///< it was found and could not be loaded: liblttng-ust is missing
    shm_full,      ///< no room in /dev/shm: loading lttng-ust would end the process with SIGBUS
    incompatible,  ///< the module belongs to another version
    stripped,      ///< the program was built with TIFFANY_TELEMETRY=OFF: it has no hooks
    no_shm,        ///< there is no /dev/shm that it may write to: lttng-ust would do nothing, with its two threads
};

constexpr std::string_view label(TracingStatus status) noexcept {
    switch (status) {
        case TracingStatus::available:
            return "available";
        case TracingStatus::not_tried:
            return "not_tried";
        case TracingStatus::disabled:
            return "disabled";
        case TracingStatus::no_module:
            return "no_module";
        case TracingStatus::no_lttng:
            return "no_lttng";
        case TracingStatus::shm_full:
            return "shm_full";
        case TracingStatus::incompatible:
            return "incompatible";
        case TracingStatus::stripped:
            return "stripped";
        case TracingStatus::no_shm:
            return "no_shm";
    }
    return "?";
}

/// Who takes this process's events at this moment.
struct AttachedTracers {
    bool lttng = false;  ///< an active LTTng session has an event of ours enabled
    bool usdt = false;   ///< a tracer, bpftrace or perf, is attached to a probe of ours
};

#if TIFFANY_TELEMETRY
/// Any thread. Cost: a load.
TracingStatus tracing_status() noexcept;
/// Any thread. Cost: two dozen loads.
AttachedTracers attached_tracers() noexcept;
#else
inline namespace off {
constexpr TracingStatus tracing_status() noexcept {
    return TracingStatus::stripped;
}
constexpr AttachedTracers attached_tracers() noexcept {
    return {};
}
}  // namespace off
#endif

}  // namespace tiffany
