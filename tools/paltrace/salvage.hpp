#pragma once
/// What can be read of a recording whose writer was killed: the packets that it wrote whole, and what is still in the
/// buffers.

#include <filesystem>
#include <string>
#include <vector>

namespace tiffany::paltrace {

/// The directories of processes below `root`, at any depth: ust/pid/NAME-PID-DATE-TIME.
std::vector<std::filesystem::path> process_directories(const std::filesystem::path& root);

/// A daemon that was killed while it wrote, or found the disk full, leaves half a packet, which nobody reads past, and
/// after a full disk an index that counts it. What is whole lies before it: LTTng writes no stream any further.
/// @param trace  directory of one process
/// @return whether anything was cut off
bool cut_half_packets(const std::filesystem::path& trace);

/// For a person: how to read a crash-safe recording whose buffers are still there. They are taken by their second
/// names: LTTng removes its own when its daemons end in good order, though not all that was in them was read.
std::string rescue_command(const std::string& recording);

/// Reads the buffers below `buffers`, each up to its last event, or to half an event that a worker was in the middle
/// of, into the new directory `recovered`; if there is nothing in them, there is no directory. Errors:
/// ErrorKind::system if lttng-crash cannot do it, or not all of it for want of room; then there is none either.
void extract_buffers(const std::string& buffers, const std::string& recovered);

}  // namespace tiffany::paltrace
