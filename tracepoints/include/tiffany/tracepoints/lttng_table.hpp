#pragma once
/// What libtiffany-lttng.so gives the telemetry library: a table of functions, so that telemetry needs neither LTTng's
/// headers nor its libraries. Internal: both sides are of one version.

#include <array>
#include <cstdint>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

struct LttngTable {
    /// Fires one tracepoint; by EventId. The argument is the event's struct. The worker's thread.
    std::array<void (*)(const void* event) noexcept, kEvents> fire;
    /// Whether any tracepoint of provider `tiffany` is enabled in any session. Any thread; 21 loads at most.
    bool (*any_enabled)() noexcept;
    /// The same of provider `tiffany_tick`.
    bool (*any_tick_enabled)() noexcept;
    /// A hash over what is enabled where: it changes when a session begins or ceases to take one of our events, and may
    /// be the old one again after the next change.
    std::uint64_t (*probes_hash)() noexcept;
    /// Registers the calling thread with LTTng (locks, allocates), so that its first event need not.
    void (*prepare_thread)() noexcept;
    /// `callback` is called on LTTng's listener thread when a session starts, or asks for a state dump, until the
    /// process ends: the code that it lies in must never be unloaded. It may only set a flag. Each copy of the
    /// telemetry library in a process registers its own. Returns false if this LTTng has no such event.
    bool (*call_on_statedump)(void (*callback)() noexcept) noexcept;
    /// For the handlers of pthread_atfork, so that a child that LTTng is not told of can end by exit(): LTTng's locks
    /// are taken before all of the caller's, and given back after them. lttng_fork.hpp tells what they may wait for.
    void (*before_fork)() noexcept;
    void (*after_fork_in_parent)() noexcept;
    void (*after_fork_in_child)() noexcept;
};

/// The module's symbol, by name: the number changes whenever the table does.
inline constexpr char kLttngTableSymbol[] = "tiffany_lttng_table_2";
using LttngTableFunction = const LttngTable* (*)();

}  // namespace tiffany::detail
