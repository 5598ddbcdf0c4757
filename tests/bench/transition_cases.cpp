#include "transition_cases.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <numeric>
#include <random>
#include <tiffany/telemetry/clock.hpp>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/telemetry/sink.hpp>
#include <tiffany/tracepoints/usdt_probes.hpp>
#include <vector>

#include "rounds.hpp"

namespace bench {
namespace {

using tiffany::Stamp;
using tiffany::TaskTimes;
using tiffany::WakeCause;
using tiffany::Worker;

/// Calls `cycle(i)`, which makes `each` transitions, so often that there are `transitions`. A
/// function of its own: tests/integration/instructions.py counts what is in it.
template <typename Cycle>
[[gnu::noinline]] Told time_of(std::uint64_t transitions, std::uint64_t each, const Cycle& cycle) {
    const std::uint64_t cycles = transitions / each;
    const std::uint64_t begin = thread_cpu_ns();
    for (std::uint64_t i = 0; i != cycles; ++i)
        cycle(i);
    return {static_cast<double>(thread_cpu_ns() - begin) / static_cast<double>(cycles * each), cycles * each};
}

/// A scheduler keeps its task's state, hooks or not.
Told none(std::uint64_t transitions) {
    std::atomic<std::uint64_t> state{0};
    return time_of(transitions, 2, [&state](std::uint64_t i) {
        state.store(i, std::memory_order_relaxed);
        asm volatile("" : : "r"(&state) : "memory");
        state.store(i, std::memory_order_relaxed);
        asm volatile("" : : "r"(&state) : "memory");
    });
}

struct Scheduler {
    explicit Scheduler(bool metrics) : telemetry{"bench", {.metrics = metrics}}, lease{telemetry.worker()} {}
    tiffany::SchedulerTelemetry telemetry;
    tiffany::WorkerLease lease;
};

/// What was timed, if the worker counted as many transitions; else ends the program.
Told counted(const Scheduler& scheduler, double ns, std::uint64_t transitions) {
    const std::uint64_t seen = scheduler.telemetry.transitions();
    if (seen != transitions) {
        std::fprintf(stderr, "transition_bench: fired were %llu transitions, the worker counted %llu\n",
                     static_cast<unsigned long long>(transitions), static_cast<unsigned long long>(seen));
        std::exit(3);
    }
    return {ns, transitions};
}

/// One task in a loop of `cycle(worker, task)`.
template <typename Cycle>
Told one_task(bool metrics, std::uint64_t transitions, std::uint64_t each, const Cycle& cycle) {
    Scheduler scheduler{metrics};
    Worker& worker = *scheduler.lease;
    TaskTimes task;
    worker.spawned(task, {.name = "bench"});
    const Told told = time_of(transitions, each, [&](std::uint64_t) { cycle(worker, task); });
    return counted(scheduler, told.ns, told.fired + 1);
}

constexpr auto kRunAndYield = [](Worker& worker, TaskTimes& task) {
    worker.running(task);
    worker.yield(task);
};

Told off(std::uint64_t transitions) {
    return one_task(false, transitions, 2, kRunAndYield);
}

Told metrics(std::uint64_t transitions) {
    return one_task(true, transitions, 2, kRunAndYield);
}

// One look at the clock for the end of a run and the beginning of the next.
Told shared(std::uint64_t transitions) {
    return one_task(true, transitions, 2, [](Worker& worker, TaskTimes& task) {
        const Stamp now = worker.now();
        worker.yield(task, now);
        worker.running(task, now);
    });
}

Told sleeps(std::uint64_t transitions) {
    return one_task(true, transitions, 3, [](Worker& worker, TaskTimes& task) {
        worker.running(task);
        worker.sleep(task, 1'000);
        worker.ready(task, WakeCause::timer);
    });
}

/// A task that runs, waits in that way, and is ready again.
template <typename Wait>
Told waits(std::uint64_t transitions, WakeCause cause, const Wait& wait) {
    return one_task(true, transitions, 3, [&](Worker& worker, TaskTimes& task) {
        worker.running(task);
        wait(worker, task);
        worker.ready(task, cause);
    });
}

Told iowaits(std::uint64_t transitions) {
    return waits(transitions, WakeCause::io, [](Worker& worker, TaskTimes& task) { worker.iowait(task, 7); });
}

Told joins(std::uint64_t transitions) {
    return waits(transitions, WakeCause::join, [](Worker& worker, TaskTimes& task) { worker.join(task, 7); });
}

Told other_waits(std::uint64_t transitions) {
    return waits(transitions, WakeCause::event,
                 [](Worker& worker, TaskTimes& task) { worker.wait(task, tiffany::WaitReason::lock, 7); });
}

Told throttles(std::uint64_t transitions) {
    return waits(transitions, WakeCause::quota, [](Worker& worker, TaskTimes& task) { worker.throttled(task, 1'000); });
}

// no transitions, but what a worker does as often
Told parks(std::uint64_t transitions) {
    Scheduler scheduler{true};
    Worker& worker = *scheduler.lease;
    const Told told = time_of(transitions, 2, [&worker](std::uint64_t) {
        worker.park();
        worker.unpark();
    });
    return counted(scheduler, told.ns, 0);
}

// ---- lives ----

/// A task that begins, runs once, and ends in that way.
template <typename End>
Told lives(bool metrics, std::uint64_t transitions, const End& end) {
    return one_task(metrics, transitions, 3, [&end](Worker& worker, TaskTimes&) {
        TaskTimes task;
        worker.spawned(task, {.name = "bench"});
        worker.running(task);
        end(worker, task);
    });
}

constexpr auto kDone = [](Worker& worker, TaskTimes& task) { worker.done(task); };

Told lives_off(std::uint64_t transitions) {
    return lives(false, transitions, kDone);
}

Told lives_done(std::uint64_t transitions) {
    return lives(true, transitions, kDone);
}

Told lives_failed(std::uint64_t transitions) {
    return lives(true, transitions, [](Worker& worker, TaskTimes& task) { worker.failed(task, "it broke"); });
}

Told lives_cancelled(std::uint64_t transitions) {
    return lives(true, transitions,
                 [](Worker& worker, TaskTimes& task) { worker.cancelled(task, tiffany::CancelCause::asked); });
}

// A worker with nothing else to do: the moment it finds that the sleep is over is the beginning of the run, too.
Told shared_sleeps(std::uint64_t transitions) {
    return one_task(true, transitions, 3, [](Worker& worker, TaskTimes& task) {
        worker.sleep(task, 1'000);
        const Stamp now = worker.now();
        worker.ready(task, WakeCause::timer, 0, 0, now);
        worker.running(task, now);
    });
}

// ---- durations that go to any bucket, in no order ----

/// A clock that goes on by as much as a task would have run, or waited, between two reads.
class Spread {
  public:
    explicit Spread(const tiffany::Clock& clock) : clock_{clock}, ticks_(std::size_t{1} << 14) {
        std::mt19937_64 random{1};
        std::lognormal_distribution<double> ms{std::log(10.0), 1.5};  // nine of ten between 1 and 120 ms
        for (std::uint64_t& ticks : ticks_)
            ticks = clock.ticks_in(static_cast<std::uint64_t>(ms(random) * 1e6) + 1);
    }
    Stamp now() {
        passed_ += ticks_[reads_++ % ticks_.size()];
        return Stamp{clock_.ticks() + passed_};
    }

  private:
    const tiffany::Clock& clock_;
    std::vector<std::uint64_t> ticks_;
    std::size_t reads_ = 0;
    std::uint64_t passed_ = 0;
};

Told spread_clock(std::uint64_t transitions) {
    Spread spread{tiffany::Clock::system()};
    return time_of(transitions, 1, [&spread](std::uint64_t) {
        const Stamp now = spread.now();
        asm volatile("" : : "r"(now.ticks()));
    });
}

template <typename Cycle>
Told spread_task(std::uint64_t transitions, std::uint64_t each, const Cycle& cycle) {
    Spread spread{tiffany::Clock::system()};
    return one_task(true, transitions, each, [&](Worker& worker, TaskTimes& task) { cycle(worker, task, spread); });
}

Told spread_metrics(std::uint64_t transitions) {
    return spread_task(transitions, 2, [](Worker& worker, TaskTimes& task, Spread& spread) {
        worker.running(task, spread.now());
        worker.yield(task, spread.now());
    });
}

Told spread_sleeps(std::uint64_t transitions) {
    return spread_task(transitions, 3, [](Worker& worker, TaskTimes& task, Spread& spread) {
        worker.running(task, spread.now());
        worker.sleep(task, 1'000, spread.now());
        worker.ready(task, WakeCause::timer, 0, 0, spread.now());
    });
}

Told spread_shared_sleeps(std::uint64_t transitions) {
    return spread_task(transitions, 3, [](Worker& worker, TaskTimes& task, Spread& spread) {
        worker.sleep(task, 1'000, spread.now());
        const Stamp now = spread.now();
        worker.ready(task, WakeCause::timer, 0, 0, now);
        worker.running(task, now);
    });
}

// ---- many tasks, switched to in random order ----

/// A switch is a yield and the next task's run, with one stamp: counted as one.
/// @param ahead  how many places ahead in the queue a task's times are fetched; 0 = not at all
Told switches(std::uint64_t transitions, std::size_t tasks, std::size_t ahead) {
    Scheduler scheduler{true};
    Worker& worker = *scheduler.lease;
    std::vector<TaskTimes> all(tasks);
    std::vector<TaskTimes*> queue;
    for (TaskTimes& task : all) {
        worker.spawned(task, {.name = "bench"});
        queue.push_back(&task);
    }
    std::shuffle(queue.begin(), queue.end(), std::mt19937_64{1});
    for (std::size_t i = 0; i < ahead; ++i)
        queue.push_back(queue[i % tasks]);
    TaskTimes* last = queue[tasks - 1];
    worker.running(*last);
    std::size_t at = 0;
    const Told told = time_of(transitions, 1, [&](std::uint64_t) {
        if (ahead != 0) __builtin_prefetch(queue[at + ahead], 1);
        TaskTimes& next = *queue[at];
        const Stamp now = worker.now();
        worker.yield(*last, now);
        worker.running(next, now);
        last = &next;
        if (++at == tasks) at = 0;
    });
    return counted(scheduler, told.ns, tasks + 1 + 2 * told.fired);
}

constexpr std::size_t kAhead = 6;
template <std::size_t kTasks, std::size_t kPlaces>
Told switch_among(std::uint64_t transitions) {
    return switches(transitions, kTasks, kPlaces);
}

// ---- others that listen ----

Told clock_reads(std::uint64_t transitions) {
    const tiffany::Clock& clock = tiffany::Clock::system();
    std::uint64_t sum = 0;
    const Told told = time_of(transitions, 1, [&](std::uint64_t) { sum += clock.ticks(); });
    asm volatile("" : : "r"(sum));
    return told;
}

// A burst that fits into the ring: what the worker pays while the writer keeps up, which is on another CPU then.
Told sink(std::uint64_t transitions) {
    struct Nobody : tiffany::pal::Sink {
        void record(const tiffany::pal::Record&) override {}
        void gap(const tiffany::pal::Gap&) override {}
    };
    tiffany::install_sink(
        std::make_shared<Nobody>(),
        {.ring_bytes = std::size_t{64} << 20, .poll = std::chrono::hours{1}, .flush_timeout = std::chrono::minutes{1}});
    const Told told = off(transitions);
    tiffany::uninstall_sink();
    if (tiffany::sink_stats().lost != 0) std::exit(3);
    return told;
}

/// As if a tracer had attached, though none has: what the hook does for it.
Told raised_probe(std::uint64_t transitions) {
    tiffany_usdt_semaphore = 1;
    return off(transitions);
}

Told attached_probe(std::uint64_t transitions) {
    if (tiffany_usdt_semaphore == 0) {
        std::fputs("no tracer is attached to the probes\n", stderr);
        std::exit(3);
    }
    return off(transitions);
}

constexpr std::uint64_t kFew = 400'000;    // what is written, or costs a system call's time
constexpr std::uint64_t kFar = 3'000'000;  // each of a million tasks some times

constexpr Way kWays[] = {
    {"none", none},
    {"off", off},
    {"metrics", metrics},
    {"shared", shared},
    {"sleeps", sleeps},
    {"shared-sleeps", shared_sleeps},
    {"iowaits", iowaits},
    {"joins", joins},
    {"other-waits", other_waits},
    {"throttles", throttles},
    {"parks", parks},
    {"lives-off", lives_off},
    {"lives", lives_done},
    {"lives-failed", lives_failed},
    {"lives-cancelled", lives_cancelled},
    {"spread-clock", spread_clock},
    {"spread-metrics", spread_metrics},
    {"spread-sleeps", spread_sleeps},
    {"spread-shared-sleeps", spread_shared_sleeps},
    {"switch-1", switch_among<1, 0>},
    {"switch-1000", switch_among<1'000, 0>},
    {"switch-1000-fetched", switch_among<1'000, kAhead>},
    {"switch-1000000", switch_among<1'000'000, 0>, kFar},
    {"switch-1000000-fetched", switch_among<1'000'000, kAhead>, kFar},
    {"clock", clock_reads},
    {"sink", sink, kFew},
    {"raised-probe", raised_probe},
    {"bare-probe", loop_of_bare_probes, kFew},
    {"measured-probe", loop_of_measured_probes, kFew},
    {"attached-probe", attached_probe, kFew},
};

}  // namespace

std::span<const Way> ways() {
    return kWays;
}

}  // namespace bench
