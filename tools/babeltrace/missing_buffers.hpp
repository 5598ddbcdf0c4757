#pragma once
/// Which of its ring buffers a traced process did not get.
///
/// LTTng hands buffers to a process one channel at a time. When there is no room for one, or the process ends first,
/// the trace simply lacks that channel, every lttng command succeeds, and nothing but its metadata tells.

#include <string>
#include <string_view>

namespace tiffany::ctf {

struct MissingBuffers {
    std::string what;  ///< "tiffany-demo (pid 812) got no buffers: ..."; empty = it got them all
    bool all = false;  ///< neither a stream nor an event is declared: there is nothing to decode
};

/// @param text  the metadata's text
/// Nothing is said of traces that are not LTTng's. That no channel has transitions is known of our own recordings only:
/// elsewhere it is what the user selected.
MissingBuffers missing_buffers(std::string_view text);

}  // namespace tiffany::ctf
