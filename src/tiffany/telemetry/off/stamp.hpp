#pragma once
/// Stamp without telemetry: nothing, and always unknown. Included by tiffany/telemetry/stamp.hpp.

#include <cstdint>

namespace tiffany {
inline namespace off {

class Stamp {
  public:
    constexpr Stamp() noexcept = default;
    constexpr explicit Stamp(std::uint64_t) noexcept {}

    static constexpr bool known() noexcept { return false; }
    static constexpr std::uint64_t ticks() noexcept { return 0; }
};

}  // namespace off
}  // namespace tiffany
