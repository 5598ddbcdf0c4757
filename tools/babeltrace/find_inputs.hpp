#pragma once
/// What the inputs of a command stand for: traces and logs.

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "lent_metadata.hpp"

namespace tiffany::ctf {

/// The directories at or below `path` that hold a `metadata` that is no directory, in the order of their names; without
/// `shm` and `shm-kept` beside a record.json, which are the buffers of a recording and no traces. Errors: `path` is
/// missing, cannot be read or is a name of a descriptor (ErrorKind::system); there is none (ErrorKind::content).
std::vector<std::string> find_traces(const std::string& path);

/// A trace or a log that is to be read.
struct InputPart {
    std::size_t input;  ///< which of the inputs it is of
    std::string name;   ///< its directory or file
    std::string label;  ///< what a log that is made from it calls it
    bool is_trace = false;
    std::optional<LentMetadata::StandIn> stand_in{};  ///< of a trace whose own metadata is cut
};

struct FoundInputs {
    std::vector<std::string> inputs;  ///< as they were named
    std::vector<InputPart> found;
    std::vector<Error> bad;              ///< inputs in which there is nothing
    std::unique_ptr<LentMetadata> lent;  ///< holds the stand-ins
};

constexpr std::chrono::seconds kPatience{30};  ///< with a process that reads a trace and makes no progress

/// A directory stands for the traces at or below it, anything else is a log. Call while this process has one thread.
/// Cost: walks the directories; of two traces and more see LentMetadata.
FoundInputs find_inputs(const std::vector<std::string>& inputs, std::chrono::seconds patience = kPatience);

}  // namespace tiffany::ctf
