#pragma once
/// Makes two runs comparable byte for byte: what differs between processes, and between runs in one process, is
/// replaced by given values.
///
///     const Recording run = with_identity(sink.recording(), {.epoch_ns = 1'700'000'000'000'000'000});
///     EXPECT_EQ(run.pal_log(), with_identity(other, {...}).pal_log());
///
/// With a VirtualClock, one worker and the same seed the logs are the same.

#include <cstdint>
#include <string>
#include <tiffany/testing/recording.hpp>

namespace tiffany::testing {

/// What the run is to be told as. What there are several of is numbered by first appearance.
struct Identity {
    std::uint64_t instance = 0x717f'a221'0001;  ///< 48 bits
    std::string host = "host";                  ///< empty: none
    std::uint32_t pid = 1;                      ///< 0: none
    std::uint32_t thread = 1;                   ///< of the first thread; the next has one more
    std::uint64_t first_tid = 1;
    std::uint64_t first_resource = 1;  ///< what tasks Wait for; a descriptor (IoWait) stays what it is
    std::uint64_t epoch_ns = 0;        ///< added to every ts: where a virtual clock's time begins, since 1970
};

/// The same run, told with that identity: each worker's index counts from 0 and its seq from 1 as in a process of its
/// own. Durations, names and positions are untouched. A run of one process.
Recording with_identity(const Recording& run, const Identity& identity = {});

}  // namespace tiffany::testing
