#pragma once
/// From settings, and what the environment says, to what is to be done.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tiffany/telemetry/pal_status.hpp>
#include <tiffany/telemetry/settings.hpp>

namespace tiffany::detail {

constexpr std::string_view kSocketScheme = "unix:";
constexpr std::uint64_t kLeastMaxBytes = std::uint64_t{64} << 10;

/// "4096", "64K", "10M", "1G"; nothing for everything else, what is no u64 included.
std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;

/// "250ms", "1s", "2min", "0s"; nothing for everything else, what is more nanoseconds than an int64 included.
std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) noexcept;

/// `%p`, `%h` and `%%` in a name filled in; nothing if another `%` is there, or no name is left. Errors:
/// std::bad_alloc.
std::optional<std::string> expand_name(std::string_view pattern, std::uint32_t pid, std::string_view host);
/// Whether the names of two processes differ by themselves.
bool names_process(std::string_view pattern) noexcept;

/// What is wrong with them; empty if nothing is. Errors: std::bad_alloc.
std::string why_bad(const Settings& settings);

struct ResolvedSettings {
    Settings settings;
    PalProblem problem = PalProblem::none;  // of the log
    bool bad_stall = false;                 // TIFFANY_STALL is no time: nobody watches
};
/// The environment's word before the program's, if it may be trusted. Errors: std::bad_alloc.
ResolvedSettings with_environment(Settings settings);

}  // namespace tiffany::detail
