#pragma once
/// The bits of a worker's on-word: what listens, and what its next hook has to do first.

#include <cstddef>
#include <cstdint>

namespace tiffany::detail {

constexpr std::uint32_t kMetrics = 1u << 0;
constexpr std::uint32_t kLttng = 1u << 1;
constexpr std::uint32_t kUsdt = 1u << 2;
constexpr std::uint32_t kTickLttng = 1u << 3;
constexpr std::uint32_t kTickUsdt = 1u << 4;
constexpr std::uint32_t kLeftOut = 1u << 5;      // LTTng is on, but its consumer seems dead: events are counted instead
constexpr std::uint32_t kEveryHook = 1u << 6;    // a foreign thread has no loop: each hook looks for a new generation
constexpr std::uint32_t kAnnounce = 1u << 7;     // in a forked child: tell of the worker before its next event
constexpr std::uint32_t kRefused = 1u << 8;      // no worker could be had: count the hook and leave
constexpr std::uint32_t kTickLeftOut = 1u << 9;  // as kLeftOut, for the ticks
constexpr std::uint32_t kPal = 1u << 10;         // a pal::Sink is installed, and the worker has a ring to it
constexpr std::uint32_t kTickPal = 1u << 11;     // it wants the ticks too
constexpr std::uint32_t kForked = 1u << 12;  // with kMetrics, in a forked child: there are tasks that are not its own
constexpr std::uint32_t kLog = 1u << 13;     // the process writes a log, and the worker has a ring to it
constexpr std::uint32_t kTickLog = 1u << 14;

// this worker lists the live tasks, some at each tick: for a tracer, and in a forked child for the gauges
constexpr std::uint32_t kDumping = 1u << 15;

constexpr std::uint32_t kWatched = 1u << 16;   // a watch wants to know what runs, and since when
constexpr std::uint32_t kMayBlock = 1u << 17;  // with kLttng: its calls are timed, for they may block

constexpr std::uint64_t kParkNs = 1'000'000'000;  // a thread that has nothing to do looks so often who listens
constexpr std::uint64_t kDumpPauseNs = 512'000;   // and so often while it lists tasks: 256 at a time, 500,000 a second

/// The ways out of a worker that have rings; each has a bit for the transitions and one for the ticks.
enum class PalExit : std::uint8_t { sink, log };
constexpr std::size_t kPalExits = 2;
constexpr std::uint32_t kPalBits[kPalExits] = {kPal, kLog};
constexpr std::uint32_t kTickPalBits[kPalExits] = {kTickPal, kTickLog};
constexpr std::uint32_t kPalAny = kPal | kLog;
constexpr std::uint32_t kTickPalAny = kTickPal | kTickLog;

constexpr std::uint32_t kTickBits = kTickLttng | kTickUsdt | kTickLeftOut | kTickPalAny;
constexpr std::uint32_t kTracers = kLttng | kUsdt | kLeftOut | kPalAny;
constexpr std::uint32_t kListeners = kMetrics | kTracers | kTickBits | kWatched;
constexpr std::uint32_t kPlainTick = kMetrics | kForked | kWatched;  // a tick has nothing to do for these
constexpr std::uint32_t kSpecial = kEveryHook | kAnnounce | kRefused;
constexpr std::uint32_t kNotable = kTracers | kSpecial;  // what a note has to look at: metrics take none

}  // namespace tiffany::detail
