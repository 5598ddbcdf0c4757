#include "metrics_cases.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <vector>

#include "rounds.hpp"

namespace bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

/// A task's times, where the hooks have TaskTimes.
struct PlainTask {
    SteadyClock::time_point ready_at = SteadyClock::now();
    SteadyClock::time_point ran_at = ready_at;
};

/// The metrics as a program writes them that has no library for it.
class Plain {
  public:
    void spawned() { depth_.Increment(); }

    // one observation each: what the hooks record
    void running(PlainTask& task) {
        task.ran_at = SteadyClock::now();
        depth_.Decrement();
        running_.Increment();
        delay_.Observe(seconds(task.ran_at - task.ready_at));
    }
    void yield(PlainTask& task) {
        task.ready_at = SteadyClock::now();
        depth_.Increment();
        yield_.Increment();
        run_.Observe(seconds(task.ready_at - task.ran_at));
    }

    // everything at each transition
    void running_with_all(PlainTask& task) { all(task, running_, -1); }
    void yield_with_all(PlainTask& task) { all(task, yield_, 1); }

    double depth() const { return depth_.Value(); }
    double runs() const { return running_.Value(); }
    double yields() const { return yield_.Value(); }
    std::uint64_t delays() const { return delay_.Collect().histogram.sample_count; }
    std::uint64_t latencies() const { return run_.Collect().histogram.sample_count; }

  private:
    static double seconds(SteadyClock::duration time) { return std::chrono::duration<double>{time}.count(); }
    void all(PlainTask& task, prometheus::Counter& counter, double change) {
        const SteadyClock::time_point begin = SteadyClock::now();
        depth_.Increment(change);
        counter.Increment();
        delay_.Observe(seconds(begin - task.ready_at));
        run_.Observe(seconds(begin - task.ran_at));
        task.ran_at = begin;
        task.ready_at = SteadyClock::now();
    }
    static std::vector<double> bounds(const std::vector<std::uint64_t>& upper_ns) {
        std::vector<double> in_seconds;
        std::ranges::transform(upper_ns, std::back_inserter(in_seconds),
                               [](std::uint64_t ns) { return static_cast<double>(ns) / 1e9; });
        return in_seconds;
    }

    using Labels = std::map<std::string, std::string>;
    prometheus::Registry registry_;
    prometheus::Gauge& depth_ =
        prometheus::BuildGauge().Name("depth").Register(registry_).Add(Labels{{"scheduler", "bench"}});
    prometheus::Family<prometheus::Counter>& transitions_ =
        prometheus::BuildCounter().Name("transitions_total").Register(registry_);
    prometheus::Counter& running_ = transitions_.Add({{"scheduler", "bench"}, {"event", "Running"}});
    prometheus::Counter& yield_ = transitions_.Add({{"scheduler", "bench"}, {"event", "Yield"}});
    prometheus::Histogram& run_ =
        prometheus::BuildHistogram()
            .Name("run_seconds")
            .Register(registry_)
            .Add(Labels{{"scheduler", "bench"}}, bounds(tiffany::MetricsBuckets::default_ns()));
    prometheus::Histogram& delay_ =
        prometheus::BuildHistogram()
            .Name("delay_seconds")
            .Register(registry_)
            .Add(Labels{{"scheduler", "bench"}}, bounds(tiffany::MetricsBuckets::default_ready_ns()));
};

// ---- the ways: each sets a thread up and hands a cycle of two transitions to `drive`, which repeats it ----

template <typename Drive>
void here(tiffany::SchedulerTelemetry& telemetry, const Drive& drive) {
    const tiffany::WorkerLease lease = telemetry.worker();
    tiffany::TaskTimes task;
    lease->spawned(task, {.name = "bench"});
    drive([&] {
        lease->running(task);
        lease->yield(task);
    });
}

template <typename Drive>
void straight(Plain& plain, const Drive& drive) {
    PlainTask task;
    plain.spawned();
    drive([&] {
        plain.running_with_all(task);
        plain.yield_with_all(task);
    });
}

template <typename Drive>
void same(Plain& plain, const Drive& drive) {
    PlainTask task;
    plain.spawned();
    drive([&] {
        plain.running(task);
        plain.yield(task);
    });
}

template <typename Drive>
void clock_reads(const Drive& drive) {
    const tiffany::Clock& clock = tiffany::Clock::system();
    drive([&] {
        for (int i = 0; i < 2; ++i) {
            const std::uint64_t ticks = clock.ticks();
            asm volatile("" : : "r"(ticks) : "memory");
        }
    });
}

/// Calls `work(i)` on so many threads at once, each on a CPU of its own.
template <typename Work>
void on_threads(int threads, const Work& work) {
    std::barrier begin{threads};
    std::vector<std::jthread> running;
    for (int i = 0; i < threads; ++i)
        running.emplace_back([&, i] {
            stay_on_cpu(i);
            begin.arrive_and_wait();
            work(static_cast<std::size_t>(i));
        });
}

// so many that the clock reads around them hardly count, far shorter than a thread's turn on its CPU
constexpr std::uint64_t kPiece = 1'024;
constexpr std::uint64_t kPart = 64;

/// What a thread's transitions cost it, measured in pieces.
struct Cost {
    std::uint64_t cpu_ns = 0;
    std::uint64_t transitions = 0;

    void add(std::uint64_t of_a_piece_ns) {
        cpu_ns += of_a_piece_ns;
        transitions += kPiece;
    }
    double ns() const { return static_cast<double>(cpu_ns) / static_cast<double>(transitions); }
};

/// How far a thread has come, for the other one to see. On cache lines of its own.
class alignas(128) Progress {
  public:
    /// Writer: its thread. CPU ns of the piece.
    template <typename Cycle>
    std::uint64_t do_piece(const Cycle& cycle) {
        const std::uint64_t since = thread_cpu_ns();
        for (std::uint64_t part = 0; part < kPiece; part += kPart) {
            for (std::uint64_t i = 0; i < kPart; i += 2)
                cycle();
            transitions_.fetch_add(kPart, std::memory_order_relaxed);
        }
        return thread_cpu_ns() - since;
    }
    std::uint64_t transitions() const { return transitions_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> transitions_{0};
};

/// Repeats cycles on one or two threads until each has measured for long enough.
class Measurement {
  public:
    Measurement(int threads, std::chrono::nanoseconds enough)
        : threads_{threads}, enough_ns_{static_cast<std::uint64_t>(enough.count())}, measuring_{threads} {}

    /// @param mine  the thread's number
    template <typename Cycle>
    void drive(std::size_t mine, const Cycle& cycle) {
        Seen& seen = seen_[mine];
        const Progress* const other = threads_ > 1 ? &seen_[1 - mine].progress : nullptr;
        const SteadyClock::time_point deadline = SteadyClock::now() + kDeadline;
        // who has enough goes on, so that the other one is not alone
        while (!over_.load(std::memory_order_relaxed)) {
            const std::uint64_t others = other == nullptr ? 0 : other->transitions();
            const std::uint64_t ns = seen.progress.do_piece(cycle);
            seen.all.add(ns);
            if (seen.side_by_side.cpu_ns >= enough_ns_) continue;
            if (other == nullptr || other->transitions() - others >= kPiece / 8 * 7) seen.side_by_side.add(ns);
            const bool enough = seen.side_by_side.cpu_ns >= enough_ns_;
            if ((enough && --measuring_ == 0) || SteadyClock::now() > deadline) over_ = true;
        }
    }
    /// Once all threads have ended: CPU ns a transition, the mean of the threads.
    double ns() const {
        double sum = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(threads_); ++i) {
            const bool met = seen_[i].side_by_side.transitions != 0;
            if (!met) std::fputs("metrics_bench: two threads were not given two CPUs\n", stderr);
            sum += (met ? seen_[i].side_by_side : seen_[i].all).ns();
        }
        return sum / threads_;
    }

  private:
    static constexpr std::chrono::seconds kDeadline{20};
    struct Seen {
        Progress progress;
        Cost side_by_side;  // while the other one ran, too
        Cost all;
    };

    const int threads_;
    const std::uint64_t enough_ns_;
    alignas(128) std::atomic<int> measuring_;
    std::atomic<bool> over_{false};
    Seen seen_[2];
};

/// One thread measures while a second one, by turns, does the same and rests.
class SecondThread {
  public:
    explicit SecondThread(int pairs) : pairs_{pairs} {}

    /// @param mine  the thread's number: 0 measures
    template <typename Cycle>
    void drive(std::size_t mine, const Cycle& cycle) {
        if (mine == 1) return accompany(cycle);
        for (int pair = 0; pair < pairs_; ++pair) {
            Cost with;
            Cost without;
            for (const bool first : {true, false})
                if (first == (pair % 2 == 0))
                    with = measure(true, cycle);
                else
                    without = measure(false, cycle);
            if (with.transitions != 0 && without.transitions != 0) seen_.push_back({with.ns(), without.ns()});
        }
        tell(Turn::end);
    }
    const std::vector<TimePair>& seen() const { return seen_; }

  private:
    enum class Turn { rest, work, end };
    static constexpr std::uint64_t kEnough = 5'000'000;  // ns of CPU time
    static constexpr std::chrono::milliseconds kPatience{200};

    void tell(Turn turn) {
        turn_ = turn;
        turn_.notify_one();
    }
    template <typename Cycle>
    void accompany(const Cycle& cycle) {
        while (turn_ != Turn::end) {
            turn_.wait(Turn::rest);
            while (turn_.load(std::memory_order_relaxed) == Turn::work)
                second_.do_piece(cycle);
        }
    }
    template <typename Cycle>
    Cost measure(bool with, const Cycle& cycle) {
        tell(with ? Turn::work : Turn::rest);
        const SteadyClock::time_point deadline = SteadyClock::now() + kPatience;
        Cost cost;
        while (cost.cpu_ns < kEnough && SteadyClock::now() < deadline) {
            const std::uint64_t others = second_.transitions();
            const std::uint64_t ns = first_.do_piece(cycle);
            const std::uint64_t meanwhile = second_.transitions() - others;
            if (with ? meanwhile >= kPiece / 2 : meanwhile == 0) cost.add(ns);
        }
        return cost;
    }

    const int pairs_;
    std::vector<TimePair> seen_;
    alignas(128) std::atomic<Turn> turn_{Turn::rest};
    Progress first_;
    Progress second_;
};

/// Calls `drive(thread's number, cycle)` on so many threads.
template <typename Drive>
void drive_threads(std::string_view way, int threads, const Drive& drive) {
    tiffany::SchedulerTelemetry telemetry{"bench"};
    Plain plain;
    on_threads(threads, [&](std::size_t mine) {
        const auto drive_this = [&](const auto& cycle) { drive(mine, cycle); };
        if (way == "here")
            here(telemetry, drive_this);
        else if (way == "straight")
            straight(plain, drive_this);
        else if (way == "same")
            same(plain, drive_this);
        else if (way == "clock")
            clock_reads(drive_this);
        else
            std::_Exit(2);
    });
}

}  // namespace

double transition_ns(std::string_view way, int threads, std::chrono::nanoseconds enough) {
    Measurement measurement{threads, enough};
    drive_threads(way, threads, [&](std::size_t mine, const auto& cycle) { measurement.drive(mine, cycle); });
    return measurement.ns();
}

std::vector<TimePair> beside_a_second_thread(std::string_view way, int pairs) {
    SecondThread second{pairs};
    drive_threads(way, 2, [&](std::size_t mine, const auto& cycle) { second.drive(mine, cycle); });
    return second.seen();
}

double line_round_trip_ns() {
    constexpr int kBatches = 100;
    constexpr int kTrips = 500;
    alignas(128) std::atomic<int> ball{0};
    double least = std::numeric_limits<double>::max();
    on_threads(2, [&](std::size_t mine) {
        const int from = static_cast<int>(mine);
        for (int batch = 0; batch < kBatches; ++batch) {
            const SteadyClock::time_point begin = SteadyClock::now();
            for (int i = 0; i < kTrips; ++i) {
                while (ball.load(std::memory_order_acquire) != from) {
                }
                ball.store(1 - from, std::memory_order_release);
            }
            const double ns = std::chrono::duration<double, std::nano>{SteadyClock::now() - begin}.count() / kTrips;
            if (mine == 0) least = std::min(least, ns);
        }
    });
    return least;
}

bool same_answers() {
    constexpr int kCycles = 5'000;
    const auto drive = [](const auto& cycle) {
        for (int i = 0; i < kCycles; ++i)
            cycle();
    };
    tiffany::SchedulerTelemetry telemetry{"bench"};
    Plain one_each;
    Plain all_at_each;
    on_threads(2, [&](std::size_t) {
        here(telemetry, drive);
        same(one_each, drive);
        straight(all_at_each, drive);
    });
    const tiffany::MetricsSnapshot now = telemetry.snapshot();
    const auto depth = static_cast<double>(now.states[static_cast<std::size_t>(tiffany::TaskState::Ready)]);
    const auto runs = static_cast<double>(telemetry.count(tiffany::TaskEvent::Running));
    const auto yields = static_cast<double>(telemetry.count(tiffany::TaskEvent::Yield));
    const std::uint64_t delays = now.groups.front().ready.count();
    const std::uint64_t latencies = now.groups.front().run.count();
    bool equal = true;
    const auto expect = [&equal](const char* what, auto ours, auto others) {
        if (ours == others) return;
        equal = false;
        std::fprintf(stderr, "%s: %.0f here, %.0f straight\n", what, static_cast<double>(ours),
                     static_cast<double>(others));
    };
    for (const Plain* plain : {&one_each, &all_at_each}) {
        expect("ready tasks", depth, plain->depth());
        expect("Running", runs, plain->runs());
        expect("Yield", yields, plain->yields());
    }
    expect("ready delays", delays, one_each.delays());
    expect("runs", latencies, one_each.latencies());
    // at each transition both, where the hooks record the one that it ends
    expect("ready delays, twice", 2 * delays, all_at_each.delays());
    expect("runs, twice", 2 * latencies, all_at_each.latencies());
    return equal;
}

}  // namespace bench
