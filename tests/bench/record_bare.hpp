#pragma once
/// A bare LTTng tracepoint to compare the hooks with. It is in a module of its own, record_bench_bare.so: a process
/// that has both this provider and the hooks' would have each event twice.

#include <cstdint>

namespace bench {

/// Fires `transitions` events, task_running and task_yield by turns, with the fields that the hooks' events have: what
/// a program would pay that has these tracepoints and no library around them. Returns false if LTTng records none.
///
/// @param reads_clock  before each event, one TSC read, which becomes the event's duration
using BareLoop = bool (*)(std::uint64_t worker, std::uint64_t transitions, bool reads_clock);
inline constexpr char kBareLoop[] = "record_bench_bare_loop";

}  // namespace bench
