#include <cstdio>
#include <cstring>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/tracepoints/unseen.hpp>

#include "kernel_time.hpp"

namespace tiffany {

using detail::kernel_ns;

namespace {

#if defined(__x86_64__)
// The kernel knows whether this machine's counters run evenly and together: it uses them itself, or does not.
bool kernel_trusts_tsc() noexcept {
    const detail::Unseen unseen;
    char name[16] = {};
    std::FILE* file = std::fopen("/sys/devices/system/clocksource/clocksource0/current_clocksource", "re");
    if (file == nullptr) return false;
    const bool read = std::fgets(name, sizeof name, file) != nullptr;
    std::fclose(file);
    return read && std::strcmp(name, "tsc\n") == 0;
}

struct Pair {
    std::uint64_t ticks;
    std::uint64_t ns;
};

// The tightest of some readings: one that was not interrupted between the two clocks.
Pair read_both() noexcept {
    Pair best{};
    std::uint64_t narrowest = UINT64_MAX;
    for (int i = 0; i < 8; ++i) {
        const std::uint64_t before = __rdtsc();
        const std::uint64_t ns = kernel_ns();
        const std::uint64_t after = __rdtsc();
        if (after - before < narrowest) {
            narrowest = after - before;
            best = {before + (after - before) / 2, ns};
        }
    }
    return best;
}
#endif

constexpr std::uint64_t kCalibrationNs = 1'000'000;

}  // namespace

Clock::Clock(Source source) noexcept : source_{source} {
#if defined(__x86_64__)
    if (source_ != Source::tsc) return;
    const Pair first = read_both();
    first_ticks_ = first.ticks;
    first_ns_ = first.ns;
    while (kernel_ns() - first_ns_ < kCalibrationNs) {
    }
    correct();
#endif
}

Clock& Clock::system() noexcept {
    struct SystemClock : Clock {
#if defined(__x86_64__)
        SystemClock() noexcept : Clock{kernel_trusts_tsc() ? Source::tsc : Source::monotonic} {}
#else
        SystemClock() noexcept : Clock{Source::monotonic} {}
#endif
    };
    static SystemClock clock;
    return clock;
}

std::uint64_t Clock::slow_ticks() const noexcept {
    return source_ == Source::virtual_time ? virtual_ns_.load(std::memory_order_relaxed) : kernel_ns();
}

std::uint64_t Clock::monotonic_ns() const noexcept {
    return source_ == Source::virtual_time ? virtual_ns_.load(std::memory_order_relaxed) : kernel_ns();
}

void Clock::correct() noexcept {
#if defined(__x86_64__)
    if (source_ != Source::tsc) return;
    const Pair now = read_both();
    if (now.ticks <= first_ticks_ || now.ns <= first_ns_) return;
    const Wide ns = static_cast<Wide>(now.ns - first_ns_) << kScaleBits;
    ns_per_tick_.store(static_cast<std::uint64_t>(ns / (now.ticks - first_ticks_)), std::memory_order_relaxed);
#endif
}

std::uint64_t Clock::ticks_in(std::uint64_t ns) const noexcept {
    const Wide ticks = (static_cast<Wide>(ns) << kScaleBits) / ns_per_tick_.load(std::memory_order_relaxed);
    return ticks > UINT64_MAX ? UINT64_MAX : static_cast<std::uint64_t>(ticks);
}

const char* Clock::name() const noexcept {
    switch (source_) {
        case Source::tsc:
            return "tsc";
        case Source::monotonic:
            return "monotonic";
        case Source::virtual_time:
            break;
    }
    return "virtual";
}

}  // namespace tiffany
