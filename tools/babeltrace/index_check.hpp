#pragma once
/// Looks at the index that LTTng writes beside a stream before babeltrace2 does: 2.0.4 ends itself (a division by zero,
/// an assertion) or reads behind it where it is wrong.

#include <cstdint>
#include <string>

namespace tiffany::ctf {

/// Checks `index/NAME.idx` beside the stream file `stream`, if it is there: the packets of which it tells lie one
/// behind the other. What babeltrace2 would not use (another version, another size) is no fault: it reads the stream
/// instead.
/// @param stream_bytes  the stream file's size
/// Errors: the file and the cause, as check_files has them.
void check_index(const std::string& stream, std::uint64_t stream_bytes);

}  // namespace tiffany::ctf
