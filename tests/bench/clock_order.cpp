// Whether a clock may stamp events that several CPUs write into one buffer, as LTTng does: where the buffer stands is
// read, then the clock, then the place is taken by a compare-and-swap, or all of that begins again. A stamp that lies
// before that of the place before it makes a trace that no reader takes.
//
//     clock_order [PLACES]      two threads, 20,000,000 places unless told otherwise

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <latch>
#include <thread>
#include <vector>

#include "rounds.hpp"

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace {

constexpr int kThreads = 2;

alignas(64) std::atomic<std::uint64_t> next_place{0};

template <typename Read>
void take_places(std::vector<std::uint64_t>& stamps, const Read& read) {
    std::uint64_t place = next_place.load(std::memory_order_relaxed);
    while (place < stamps.size()) {
        const std::uint64_t now = read();
        if (next_place.compare_exchange_strong(place, place + 1)) stamps[place] = now;
        place = next_place.load(std::memory_order_relaxed);
    }
}

template <typename Read>
void look_at(const char* name, const char* unit, std::uint64_t places, const Read& read) {
    std::vector<std::uint64_t> stamps(places);
    next_place = 0;
    std::latch ready{kThreads};
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < kThreads; ++thread)
            threads.emplace_back([&, thread] {
                bench::stay_on_cpu(thread);
                ready.arrive_and_wait();
                take_places(stamps, read);
            });
    }
    std::uint64_t backwards = 0;
    std::uint64_t farthest = 0;
    for (std::size_t i = 1; i < stamps.size(); ++i) {
        if (stamps[i] >= stamps[i - 1]) continue;
        ++backwards;
        farthest = std::max(farthest, stamps[i - 1] - stamps[i]);
    }
    std::printf(
        "Order, two threads: %s: %llu of %llu stamps lie before the one that precedes them, by at most %llu %s\n", name,
        static_cast<unsigned long long>(backwards), static_cast<unsigned long long>(places),
        static_cast<unsigned long long>(farthest), unit);
}

}  // namespace

int main(int argc, char** argv) {
    const std::uint64_t places = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 20'000'000;
    if (argc > 2 || places == 0) {
        std::fputs("usage: clock_order [PLACES]\n", stderr);
        return 2;
    }
#if defined(__x86_64__)
    look_at("rdtsc", "ticks", places, [] { return std::uint64_t{__rdtsc()}; });
    look_at("lfence, rdtsc", "ticks", places, [] {
        _mm_lfence();
        return std::uint64_t{__rdtsc()};
    });
#endif
    look_at("CLOCK_MONOTONIC", "ns", places, [] {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
    });
    return 0;
}
