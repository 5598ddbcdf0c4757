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

#include <tiffany/telemetry/config.hpp>
#include <tiffany/telemetry/sink_options.hpp>  // IWYU pragma: export

#if !TIFFANY_TELEMETRY
#include <tiffany/telemetry/off/sink.hpp>  // IWYU pragma: export
#else

#include <memory>
#include <tiffany/pal/sink.hpp>

namespace tiffany {

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

#endif
