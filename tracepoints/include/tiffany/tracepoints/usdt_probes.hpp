#pragma once
/// The USDT probes of the catalogue. Internal: the hooks fire them when the semaphore says that somebody listens.

#include <array>
#include <cstdint>
#include <tiffany/tracepoints/catalogue.hpp>

// The kernel counts the attached probes here: one variable for all probes of `tiffany`, one for `tiffany_tick`.
extern "C" {
[[gnu::visibility("hidden")]] extern volatile unsigned short tiffany_usdt_semaphore;
[[gnu::visibility("hidden")]] extern volatile unsigned short tiffany_usdt_tick_semaphore;
}

namespace tiffany::detail {

/// How many probes of provider `tiffany` tracers are attached to. Any thread.
inline std::uint16_t usdt_semaphore() noexcept {
    return tiffany_usdt_semaphore;
}
inline std::uint16_t usdt_tick_semaphore() noexcept {
    return tiffany_usdt_tick_semaphore;
}

/// Fires one probe; by EventId. The argument is the event's struct. Any thread.
/// Cost: a few loads and a nop; about a microsecond with a tracer attached.
///
/// volatile: with link-time optimisation a compiler would read the table, and drop the probes that a program never
/// fires. A script that names one of them would not attach to it; gold cannot link what is left.
using UsdtProbe = void (*volatile)(const void* event) noexcept;
extern const std::array<UsdtProbe, kEvents> kUsdtProbes;

}  // namespace tiffany::detail
