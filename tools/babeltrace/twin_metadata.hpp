#pragma once
/// The metadata of traces that may be of one process.

#include <chrono>
#include <string>
#include <vector>

namespace tiffany::ctf {

struct TwinMetadata {
    std::string trace;
    std::string uuid;  ///< as its metadata or its streams tell it
    std::string text;  ///< "" = it cannot be read
};

/// Of those among the traces that have a UUID in common with another one, in their order; without one that has no file
/// of metadata. Nothing of a trace is looked at here: one confined process looks for the UUIDs of all, and one for each
/// of these traces then reads its metadata, so that none can tell what is in another's.
/// Call while this process has one thread. Cost: those processes; it reads the metadata of all.
/// @param patience  with a process that makes no progress
/// Errors: none; what cannot be read is told when the trace is.
std::vector<TwinMetadata> metadata_of_twins(const std::vector<std::string>& traces, std::chrono::seconds patience);

}  // namespace tiffany::ctf
