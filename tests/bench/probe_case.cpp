// A USDT probe as a program would write it by hand, with the fields that a transition's has.

#include <sys/sdt.h>

#include <tiffany/telemetry/clock.hpp>

#include "rounds.hpp"
#include "transition_cases.hpp"

namespace bench {
namespace {

struct Fields {
    std::uint64_t worker;
    std::uint64_t tid;
    std::uint64_t seq;
    std::uint64_t step;
    std::uint64_t run_ns;
};

[[gnu::noinline]] void fire(const Fields& fields) {
    const std::uint64_t worker = fields.worker;
    const std::uint64_t tid = fields.tid;
    const std::uint64_t seq = fields.seq;
    const std::uint64_t step = fields.step;
    const std::uint64_t run_ns = fields.run_ns;
    const void* const all = &fields;
    STAP_PROBE6(tiffany_bench, bare, worker, tid, seq, step, run_ns, all);
}

}  // namespace

Told loop_of_bare_probes(std::uint64_t transitions) {
    Fields fields{1, 1, 0, 0, 1'000};
    const std::uint64_t begin = thread_cpu_ns();
    for (std::uint64_t i = 0; i != transitions; ++i) {
        ++fields.seq;
        ++fields.step;
        fire(fields);
    }
    return {static_cast<double>(thread_cpu_ns() - begin) / static_cast<double>(transitions), transitions};
}

Told loop_of_measured_probes(std::uint64_t transitions) {
    const tiffany::Clock& clock = tiffany::Clock::system();
    Fields fields{1, 1, 0, 0, 0};
    const std::uint64_t begin = thread_cpu_ns();
    std::uint64_t since = clock.ticks();
    for (std::uint64_t i = 0; i != transitions; ++i) {
        const std::uint64_t now = clock.ticks();
        ++fields.seq;
        ++fields.step;
        fields.run_ns = clock.to_ns(now - since);
        since = now;
        fire(fields);
    }
    return {static_cast<double>(thread_cpu_ns() - begin) / static_cast<double>(transitions), transitions};
}

}  // namespace bench
