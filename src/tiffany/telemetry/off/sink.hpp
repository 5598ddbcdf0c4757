#pragma once
/// Sinks without telemetry: nothing fires, so a sink is told nothing, and is not kept. Included by
/// tiffany/telemetry/sink.hpp.

#include <memory>
#include <stdexcept>
#include <tiffany/pal/sink.hpp>
#include <tiffany/telemetry/sink_options.hpp>

namespace tiffany {
inline namespace off {

inline void install_sink(const std::shared_ptr<pal::Sink>& sink, const SinkOptions& = {}) {
    if (sink == nullptr) throw std::invalid_argument{"cannot install a sink: it is null"};
}
constexpr bool uninstall_sink() noexcept {
    return true;
}
constexpr bool flush_sink() noexcept {
    return true;
}
inline SinkStats sink_stats() noexcept {
    return {};
}

}  // namespace off
}  // namespace tiffany
