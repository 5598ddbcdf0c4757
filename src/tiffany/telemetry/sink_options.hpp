#pragma once
/// What a sink is installed with, and what became of the events.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace tiffany {

struct SinkOptions {
    /// Of each worker's ring, allocated and touched when the worker is taken (or the sink installed); rounded up to a
    /// power of two, at least 4096. A transition takes 64 or 80 bytes, Spawned 192, Failed 320.
    std::size_t ring_bytes = std::size_t{1} << 20;
    /// How long the writer sleeps when it has found little; at least 1 ms.
    std::chrono::milliseconds poll{5};
    /// How long the end of a scheduler, `flush_sink`, `uninstall_sink` and the end of the process wait for a slow sink.
    std::chrono::milliseconds flush_timeout{1000};
    bool ticks = false;  ///< the scheduler's ticks too: two events more for each iteration of its loop
};

/// What became of the events, since the process began (in a forked child: since the fork). All rise only.
/// Of the transitions that fired while a sink was installed, each is in `transitions`, `refused_transitions` or `lost`.
struct SinkStats {
    std::uint64_t records = 0;              ///< calls of `record` that returned
    std::uint64_t transitions = 0;          ///< those of them that told a transition
    std::uint64_t refused = 0;              ///< calls that threw
    std::uint64_t refused_transitions = 0;  ///< calls of `record` with a transition that threw
    std::uint64_t lost = 0;         ///< transitions that did not fit, or that a flush which ran out of time left behind
    std::uint64_t lost_others = 0;  ///< the same of other events
    std::uint64_t gaps = 0;         ///< `Gap`s told
    std::uint64_t flushes_timed_out = 0;
    std::uint64_t workers_without_ring = 0;  ///< there was no memory: nothing of these workers is told
};

}  // namespace tiffany
