#pragma once
/// An index of the whole packets of a stream that is cut.
///
/// babeltrace2 refuses a stream file that ends in half a packet. It finds packets where LTTng's index says, if that
/// accounts for the whole file, and looks at no byte between them: an index whose last packet takes the rest of the
/// file, too, hides it.

#include <functional>
#include <string_view>

#include "stream_end.hpp"

namespace tiffany::ctf {

/// Makes it, of version 1.1, of a stream with a whole packet at least.
/// @param put          takes it, an entry at a time
/// @param on_progress  called at each packet
/// Cost: a read of each packet's header. Errors: ErrorKind::system if the stream is not as it was any more.
void write_whole_index(const StreamEnd& stream, const std::function<void(std::string_view)>& put,
                       const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
