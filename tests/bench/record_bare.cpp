#define LTTNG_UST_TRACEPOINT_CREATE_PROBES
#define LTTNG_UST_TRACEPOINT_DEFINE
#include "lttng_provider_tiffany.h"
// LTTng's headers above must come first: they are read several times over
#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include <ctime>
#endif

#include <utility>

#include "record_bare.hpp"

namespace {

std::uint64_t clock_read() {
#if defined(__x86_64__)
    return __rdtsc();
#else
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
#endif
}

template <bool kReadsClock>
void loop(std::uint64_t worker, std::uint64_t transitions) {
    tiffany_task_running running{};
    tiffany_task_yield yield{};
    running.worker = yield.worker = worker;
    running.tid = yield.tid = worker + 1;
    std::uint64_t last = 0;
    const auto since_last = [&]() -> std::uint64_t {
        if constexpr (!kReadsClock) return 1;
        const std::uint64_t now = clock_read();
        return now - std::exchange(last, now);
    };
    for (std::uint64_t seq = 0; seq < transitions;) {
        running.seq = running.step = ++seq;
        running.ready_ns = since_last();
        lttng_ust_tracepoint(tiffany, task_running, &running);
        yield.seq = yield.step = ++seq;
        yield.run_ns = since_last();
        lttng_ust_tracepoint(tiffany, task_yield, &yield);
    }
}

}  // namespace

extern "C" __attribute__((visibility("default"))) bool record_bench_bare_loop(std::uint64_t worker,
                                                                              std::uint64_t transitions,
                                                                              bool reads_clock) {
    if (CMM_LOAD_SHARED(lttng_ust_tracepoint_tiffany___task_running.state) == 0) return false;
    reads_clock ? loop<true>(worker, transitions) : loop<false>(worker, transitions);
    return true;
}
