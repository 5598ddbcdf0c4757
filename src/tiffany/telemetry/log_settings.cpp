#include "log_settings.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "setting_values.hpp"

namespace tiffany::detail {
namespace {

// what is too long only with a longer one is seen when the socket is made
constexpr std::string_view kAnyPid = "1";

std::string_view from_environment(const char* name) noexcept {
    // nothing, where the process has rights that its caller has not
    const char* value = secure_getenv(name);
    return value != nullptr ? value : std::string_view{};
}

}  // namespace

std::string why_bad(const Settings& settings) {
    if (std::string why = why_bad_target(settings.pal, kAnyPid, host_name()); !why.empty())
        return "cannot write a log to \"" + settings.pal + "\": " + why;
    if (settings.pal_max_bytes < kLeastMaxBytes)
        return "cannot turn a log over after " + std::to_string(settings.pal_max_bytes) + " bytes: expected at least " +
               std::to_string(kLeastMaxBytes);
    if (settings.pal_ring_bytes < kLeastRing || settings.pal_ring_bytes > kMostRing)
        return "cannot give a worker a ring of " + std::to_string(settings.pal_ring_bytes) + " bytes: expected " +
               std::to_string(kLeastRing) + " to " + std::to_string(kMostRing);
    if (settings.stall.count() < 0)
        return "cannot watch for runs of more than " + std::to_string(settings.stall.count()) +
               " ns: expected 0, for none, or more";
    return {};
}

ResolvedSettings with_environment(Settings settings) {
    ResolvedSettings resolved{std::move(settings), PalProblem::none};
    if (!resolved.settings.environment) return resolved;
    if (const std::string_view target = from_environment("TIFFANY_PAL"); !target.empty())
        resolved.settings.pal = target;
    const auto size_of = [&](const char* name, auto& into) {
        const std::string_view text = from_environment(name);
        if (text.empty()) return;
        const std::optional<std::uint64_t> bytes = parse_size(text);
        if (!bytes) resolved.problem = PalProblem::bad_size;
        into = static_cast<std::size_t>(bytes.value_or(0));
    };
    size_of("TIFFANY_PAL_MAX", resolved.settings.pal_max_bytes);
    size_of("TIFFANY_PAL_RING", resolved.settings.pal_ring_bytes);
    if (const std::string_view text = from_environment("TIFFANY_STALL"); !text.empty()) {
        const std::optional<std::chrono::nanoseconds> bound = parse_time(text);
        resolved.bad_stall = !bound;
        resolved.settings.stall = bound.value_or(std::chrono::nanoseconds{0});
    }
    if (!why_bad_target(resolved.settings.pal, kAnyPid, host_name()).empty())
        resolved.problem = PalProblem::bad_target;
    else if (!why_bad(resolved.settings).empty())
        resolved.problem = PalProblem::bad_size;
    return resolved;
}

}  // namespace tiffany::detail
