#pragma once
/// Reads one CTF trace in a decoding child, with whichever reader can.

#include <cstdint>
#include <functional>
#include <string>

#include "frames.hpp"
#include "record_pool.hpp"

namespace tiffany::ctf {

/// Who takes a trace's streams apart. The output is the same.
enum class Reader : std::uint8_t {
    automatic,    ///< the native one if the trace is plain; what it finds odd is left to babeltrace2, from the start
    native,       ///< the native one; a trace that is not plain, or damaged, is an error
    babeltrace2,  ///< babeltrace2
};

struct TraceOptions {
    bool ticks = false;  ///< take the scheduler's ticks too
    Reader reader = Reader::automatic;
};

/// Where the files of a trace lie.
struct TraceFiles {
    std::string directory;
    std::string name;     ///< what errors call it: the directory of which the other two are stand-ins
    std::string bounded;  ///< its BoundedTrace, once there is one; else empty
};

/// Checks the files of a trace, and sends what it holds. In a process of its own, which it confines. Where babeltrace2
/// has to read a trace of which a stream is cut, it sends the indexes for a BoundedTrace, and leaves off.
/// Errors: Error, with the file and the cause.
void read_trace(const TraceFiles& files, const TraceOptions& options, FrameWriter& writer);

/// Goes on with that in another process, likewise.
/// @param said  what the first one told by then of what babeltrace2 tells
void go_on_with_babeltrace2(const TraceFiles& files, const TraceOptions& options, const Said& said,
                            FrameWriter& writer);

/// A plain trace as a source, in this very process. The trace is opened when the first record is asked for.
/// @param pool         where its records come from, which nobody else fills; it outlives the source
/// @param on_progress  called now and then, also while the trace is opened
/// Errors, later: Error with the file and the cause; NotPlain.
NextRecords native_source(const std::string& directory, bool ticks, RecordPool& pool,
                          const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
