#include "log_settings.hpp"

#include <sys/un.h>

#include <array>
#include <charconv>
#include <cstdlib>

#include "host.hpp"

namespace tiffany::detail {
namespace {

constexpr std::size_t kLeastRing = std::size_t{4} << 10;
constexpr std::size_t kMostRing = std::size_t{1} << 30;
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un{}.sun_path) - 1;

std::string_view from_environment(const char* name) noexcept {
    // nothing, where the process has rights that its caller has not
    const char* value = secure_getenv(name);
    return value != nullptr ? value : std::string_view{};
}

std::string why_bad_target(std::string_view target) {
    if (target.empty()) return {};
    if (target.find('\0') != target.npos) return "its name holds a NUL";
    const bool socket = target.substr(0, kSocketScheme.size()) == kSocketScheme;
    if (socket) target.remove_prefix(kSocketScheme.size());
    if (target.empty()) return "the socket has no name";
    const std::optional<std::string> name = expand_name(target, 1, host_name());
    if (!name) return "expected %p, %h or %% in its name, found another %";
    if (name->empty() || name->back() == '/') return "a file's name is missing";
    if (socket && name->size() > kMaxSocketPath)
        return "a socket's name has at most " + std::to_string(kMaxSocketPath) + " bytes";
    return {};
}

}  // namespace

std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || last - end > 1) return std::nullopt;
    unsigned shift = 0;
    if (end != last) {
        switch (*end) {
            case 'K':
                shift = 10;
                break;
            case 'M':
                shift = 20;
                break;
            case 'G':
                shift = 30;
                break;
            default:
                return std::nullopt;
        }
    }
    if (number > (~std::uint64_t{0} >> shift)) return std::nullopt;
    return number << shift;
}

std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) noexcept {
    struct Unit {
        std::string_view name;
        std::uint64_t ns;
    };
    constexpr std::array<Unit, 3> kUnits{{{"ms", 1'000'000}, {"s", 1'000'000'000}, {"min", 60'000'000'000}}};
    constexpr auto kMost = static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{}) return std::nullopt;
    const std::string_view unit{end, static_cast<std::size_t>(last - end)};
    for (const Unit& known : kUnits)
        if (unit == known.name && number <= kMost / known.ns) return std::chrono::nanoseconds{number * known.ns};
    return std::nullopt;
}

std::optional<std::string> expand_name(std::string_view pattern, std::uint32_t pid, std::string_view host) {
    std::string name;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%') {
            name += pattern[i];
            continue;
        }
        switch (++i < pattern.size() ? pattern[i] : '\0') {
            case 'p':
                name += std::to_string(pid);
                break;
            case 'h':
                for (const char byte : host)
                    name += byte == '/' ? '_' : byte;
                break;
            case '%':
                name += '%';
                break;
            default:
                return std::nullopt;
        }
    }
    return name;
}

bool names_process(std::string_view pattern) noexcept {
    for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
        if (pattern[i] != '%') continue;
        if (pattern[++i] == 'p') return true;
    }
    return false;
}

std::string why_bad(const Settings& settings) {
    if (std::string why = why_bad_target(settings.pal); !why.empty())
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
    if (!why_bad_target(resolved.settings.pal).empty())
        resolved.problem = PalProblem::bad_target;
    else if (!why_bad(resolved.settings).empty())
        resolved.problem = PalProblem::bad_size;
    return resolved;
}

}  // namespace tiffany::detail
