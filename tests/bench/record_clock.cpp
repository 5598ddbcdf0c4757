// A clock plugin for LTTng, to see what another clock would save (docs/adr/0026): record_bench --clocks loads it into a
// process that records, by LTTNG_UST_CLOCK_PLUGIN. For measuring alone: its scale is measured once and never corrected.

#include <lttng/ust-clock.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string_view>

#if defined(__x86_64__)
#include <x86intrin.h>

namespace {

__extension__ typedef unsigned __int128 Wide;

std::uint64_t first_ticks;
std::uint64_t first_ns;
std::uint64_t ns_per_tick;  // by 2^32

std::uint64_t monotonic_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t scaled(std::uint64_t ticks) {
    return first_ns + static_cast<std::uint64_t>(static_cast<Wide>(ticks - first_ticks) * ns_per_tick >> 32);
}

std::uint64_t read_unordered() {
    return scaled(__rdtsc());
}

// Not before the loads that precede it are done: LTTng reads its buffer's offset, then the clock.
std::uint64_t read_ordered() {
    _mm_lfence();
    return scaled(__rdtsc());
}

// What no clock can be cheaper than.
std::uint64_t read_nothing() {
    static std::uint64_t last = monotonic_ns();
    return ++last;
}

lttng_ust_clock_read64_function reader_of(std::string_view clock) {
    if (clock == "ordered") return read_ordered;
    if (clock == "unordered") return read_unordered;
    if (clock == "free") return read_nothing;
    return monotonic_ns;  // what LTTng reads by itself: for a test of paltrace
}

std::uint64_t frequency() {
    return 1'000'000'000;
}
// The session daemon calls this, and where a plugin sets none it dies.
int uuid(char* text) {
    constexpr char kUuid[] = "2d5c1a0e-6f0b-4c0f-9d5e-7b1f3a9c8e42";
    static_assert(sizeof kUuid == LTTNG_UST_UUID_STR_LEN);
    std::memcpy(text, kUuid, sizeof kUuid);
    return 0;
}
const char* name() {
    return "monotonic";
}
const char* description() {
    return "for a benchmark";
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void lttng_ust_clock_plugin_init() {
    const char* const wanted = std::getenv("RECORD_BENCH_CLOCK");
    const std::string_view clock = wanted != nullptr ? wanted : "";
    if (clock.empty()) return;
    constexpr std::uint64_t kCalibrationNs = 3'000'000;
    first_ticks = __rdtsc();
    first_ns = monotonic_ns();
    while (monotonic_ns() - first_ns < kCalibrationNs) {
    }
    ns_per_tick =
        static_cast<std::uint64_t>((static_cast<Wide>(monotonic_ns() - first_ns) << 32) / (__rdtsc() - first_ticks));
    lttng_ust_trace_clock_set_read64_cb(reader_of(clock));
    lttng_ust_trace_clock_set_freq_cb(frequency);
    lttng_ust_trace_clock_set_uuid_cb(uuid);
    lttng_ust_trace_clock_set_name_cb(name);
    lttng_ust_trace_clock_set_description_cb(description);
    lttng_ust_enable_trace_clock_override();
}
#else
extern "C" __attribute__((visibility("default"))) void lttng_ust_clock_plugin_init() {}
#endif
