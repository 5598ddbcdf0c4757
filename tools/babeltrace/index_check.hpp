#pragma once
/// Looks at the index that LTTng writes beside a stream before babeltrace2 does: 2.0.4 ends itself (a division by zero,
/// an assertion) or reads behind it where it is wrong.

#include <cstdint>
#include <functional>
#include <string>

namespace tiffany::ctf {

struct IndexEnd {
    std::uint64_t bytes = 0;   ///< with its header, what tells of whole packets; 0 = nobody uses it
    bool counts_more = false;  ///< it tells of one that is not whole
};

/// Checks `index/NAME.idx` beside the stream file `stream`, if it is there: the packets of which it tells lie one
/// behind the other. What babeltrace2 would not use (another version, another size) is no fault: it reads the stream
/// instead.
/// @param stream_bytes  the stream file's size
/// @param whole_bytes   what of that is whole packets. When all of those were told, it is no fault that more follows: a
///                      packet that would end behind the file, or, as LTTng has it of one that found the disk full, one
///                      that begins before their end
/// @param on_progress   called at each entry
/// Errors: the file and the cause, as check_files has them.
IndexEnd check_index(const std::string& stream, std::uint64_t stream_bytes, std::uint64_t whole_bytes,
                     const std::function<void()>& on_progress);

/// The same of a stream whose packets are not known: the index may tell of no more than the file has.
void check_index(const std::string& stream, std::uint64_t stream_bytes, const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
