#pragma once
/// What a process is told from outside or by its own program before the first scheduler: docs/pal-file.md and
/// docs/stalls.md.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace tiffany {

struct Settings {
    /// As TIFFANY_PAL: a file, `-` for stderr, `unix:SOCKET`; empty = no log.
    std::string pal{};
    /// As TIFFANY_PAL_MAX: bytes of a file before it turns over; two files are kept. At least 64 KiB.
    std::uint64_t pal_max_bytes = std::uint64_t{1} << 30;
    /// As TIFFANY_PAL_RING: of each worker, allocated and touched when it is taken; rounded up to a power of two, 4 KiB
    /// to 1 GiB.
    std::size_t pal_ring_bytes = std::size_t{1} << 21;
    bool pal_ticks = false;  ///< the scheduler's ticks too
    /// As TIFFANY_STALL: each scheduler is watched for runs of more than this (SchedulerTelemetry::watch); 0 = none is.
    std::chrono::nanoseconds stall{0};
    bool environment = true;  ///< false: TIFFANY_PAL and its kin are not looked at; else they come before the above
};

}  // namespace tiffany
