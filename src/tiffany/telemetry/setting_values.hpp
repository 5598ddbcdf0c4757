#pragma once
/// What the values of TIFFANY_PAL, TIFFANY_PAL_MAX, TIFFANY_PAL_RING, TIFFANY_STALL and TIFFANY_METRICS mean: for what
/// obeys them, and for `paltrace doctor`, which tells of them and links nothing of ours that obeys.

#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>

namespace tiffany::detail {

constexpr std::string_view kSocketScheme = "unix:";
constexpr std::size_t kMaxSocketPath = sizeof(sockaddr_un{}.sun_path) - 1;
constexpr const char* kOlderEnding = ".old";  // what the name of a full file gets
constexpr const char* kLockEnding = ".lock";  // of the file beside a socket
constexpr std::uint64_t kLeastMaxBytes = std::uint64_t{64} << 10;
constexpr std::uint64_t kLeastRing = std::uint64_t{4} << 10;
constexpr std::uint64_t kMostRing = std::uint64_t{1} << 30;

/// "4096", "64K", "10M", "1G"; nothing for everything else, what is no u64 included.
inline std::optional<std::uint64_t> parse_size(std::string_view text) noexcept {
    constexpr std::string_view kUnits = "KMG";
    std::uint64_t number = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, number);
    if (error != std::errc{} || last - end > 1) return std::nullopt;
    const std::size_t unit = end == last ? 0 : kUnits.find(*end) + 1;  // npos + 1 is 0
    if (end != last && unit == 0) return std::nullopt;
    const unsigned shift = 10 * static_cast<unsigned>(unit);
    if (number > (~std::uint64_t{0} >> shift)) return std::nullopt;
    return number << shift;
}

/// "250ms", "1s", "2min", "0s"; nothing for everything else, what is more nanoseconds than an int64 included.
inline std::optional<std::chrono::nanoseconds> parse_time(std::string_view text) noexcept {
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

struct AddressAndPort {
    std::string_view address;  ///< without the brackets of an IPv6 address; may be empty
    std::uint16_t port = 0;
};

/// ADDRESS:PORT; whether there is such an address is another thing.
inline std::optional<AddressAndPort> parse_address(std::string_view text) noexcept {
    const std::size_t colon = text.rfind(':');
    if (colon == text.npos) return std::nullopt;
    AddressAndPort parsed{text.substr(0, colon)};
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + colon + 1, last, parsed.port);
    if (error != std::errc{} || end != last) return std::nullopt;
    std::string_view& address = parsed.address;
    if (address.size() > 2 && address.front() == '[' && address.back() == ']')
        address = address.substr(1, address.size() - 2);
    return parsed;
}

inline bool is_socket(std::string_view target) noexcept {
    return target.starts_with(kSocketScheme);
}

/// A target without what says that it is a socket.
inline std::string_view pattern_of(std::string_view target) noexcept {
    return is_socket(target) ? target.substr(kSocketScheme.size()) : target;
}

/// What this machine calls itself: `%h` in a name, and a label in logs. Empty if the kernel does not say. Errors:
/// std::bad_alloc.
inline std::string host_name() {
    std::array<char, 256> name{};
    if (gethostname(name.data(), name.size() - 1) != 0) return {};
    return name.data();
}

/// `%p`, `%h` and `%%` in a name filled in; nothing if another `%` is there. Errors: std::bad_alloc.
inline std::optional<std::string> expand_name(std::string_view pattern, std::string_view pid, std::string_view host) {
    std::string name;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%') {
            name += pattern[i];
            continue;
        }
        switch (++i < pattern.size() ? pattern[i] : '\0') {
            case 'p':
                name += pid;
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

/// Whether the names of two processes differ by themselves.
inline bool names_process(std::string_view pattern) noexcept {
    for (std::size_t i = 0; i + 1 < pattern.size(); ++i) {
        if (pattern[i] != '%') continue;
        if (pattern[++i] == 'p') return true;
    }
    return false;
}

/// What is wrong with where a log shall go, wherever that leads; empty: nothing, or there shall be none. Errors:
/// std::bad_alloc.
inline std::string why_bad_target(std::string_view target, std::string_view pid, std::string_view host) {
    if (target.empty()) return {};
    if (target.find('\0') != target.npos) return "its name holds a NUL";
    const std::string_view pattern = pattern_of(target);
    if (pattern.empty()) return "the socket has no name";
    const std::optional<std::string> name = expand_name(pattern, pid, host);
    if (!name) return "expected %p, %h or %% in its name, found another %";
    if (name->empty() || name->back() == '/') return "a file's name is missing";
    if (is_socket(target) && name->size() > kMaxSocketPath)
        return "a socket's name has at most " + std::to_string(kMaxSocketPath) + " bytes";
    return {};
}

/// A name with its ending apart, so that what is added stays before `.zst`.
class FileName {
  public:
    /// Errors: std::bad_alloc.
    explicit FileName(std::string_view name) : stem_{name} {
        constexpr std::string_view kZst = ".zst";
        if (name.size() <= kZst.size() || !name.ends_with(kZst)) return;
        stem_.resize(name.size() - kZst.size());
        ending_ = kZst;
    }
    /// "run.pal", ".812" -> "run.pal.812"; "run.pal.zst", ".812" -> "run.pal.812.zst".
    std::string with(std::string_view added) const { return stem_ + std::string{added} + ending_; }
    bool is_compressed() const noexcept { return !ending_.empty(); }
    const std::string& ending() const noexcept { return ending_; }

  private:
    std::string stem_;
    std::string ending_;
};

}  // namespace tiffany::detail
