#pragma once
/// Finds the stream that a trace cannot be decoded for: libbabeltrace2 does not name its file.

#include <functional>
#include <optional>
#include <string>
#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {

/// Decodes each stream of a trace by itself, until one fails. Cost: as much as decoding the trace once more.
/// @param on_progress  called now and then
/// @return the stream's file, the packet and the cause; nothing if each stream is good by itself
std::optional<Error> find_bad_stream(const std::string& directory, const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
