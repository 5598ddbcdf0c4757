#pragma once
/// The names of the LTTng sessions that `paltrace record` makes. A session's name is in the metadata of each of its
/// traces, so a reader knows such a trace wherever it lies, and what was to be in it: every transition, in a channel of
/// its own.

#include <string>
#include <string_view>

namespace tiffany::ctf {

inline constexpr std::string_view kFromStart = "paltrace-run-";  ///< the daemon was there before any process
inline constexpr std::string_view kJoining = "paltrace-join-";   ///< of processes that may have run before

inline std::string recording_name(bool from_start, long number) {
    return std::string{from_start ? kFromStart : kJoining} + std::to_string(number);
}

inline bool is_from_start(std::string_view session) {
    return session.starts_with(kFromStart);
}

inline bool is_recording(std::string_view session) {
    return is_from_start(session) || session.starts_with(kJoining);
}

}  // namespace tiffany::ctf
