#pragma once
/// Every event of this process as a value, on a thread of its own: docs/sink.md.
///
///     auto sink = std::make_shared<MySink>();      // a pal::Sink
///     tiffany::install_sink(sink);
///     ...
///     tiffany::uninstall_sink();                   // or let the process end: what fired is delivered first
///
/// A worker keeps its events in a ring of its own; the writer's thread looks at the rings now and then. A hook copies
/// the event into the ring: it waits for nobody, takes no lock, allocates nothing, wakes no thread. What does not fit
/// is dropped, and is told as a `pal::Gap`.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <tiffany/pal/sink.hpp>

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

/// Installs a sink; one that is installed already is uninstalled first. At any time, before the first scheduler or
/// while tasks run: the calling thread's own workers begin before this returns, others that are held at their next
/// tick, park, or (foreign threads) hook, with a `WorkerDumped` record; workers taken later begin with `WorkerStarted`.
///
/// Starts a thread, which blocks all signals. In a forked child no sink is installed: it may install its own.
/// Any thread, but not a sink's call. Cost: a ring for each worker that is held.
/// Errors: std::invalid_argument, `sink` is null; std::bad_alloc; std::system_error, no thread to be had;
/// std::logic_error, from a sink's call.
void install_sink(std::shared_ptr<pal::Sink> sink, const SinkOptions& options = {});

/// Delivers what has fired, ends the writer's thread and lets go of the sink. Returns whether all was delivered in
/// time; if not, the sink's present call is left to itself, what was waiting behind it counts as lost, and the sink is
/// released when that call returns. True if none is installed. From a sink's own call: does nothing, returns false.
/// Any thread.
bool uninstall_sink() noexcept;

/// Waits until what has fired before this call is delivered. Returns false if that took longer than `flush_timeout`,
/// or from a sink's own call. True if none is installed. Any thread.
bool flush_sink() noexcept;

/// Any thread. Cost: some loads.
SinkStats sink_stats() noexcept;

}  // namespace tiffany
