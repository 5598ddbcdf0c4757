#pragma once
/// A trace whose metadata is cut can be read with that of its twin.
///
/// A consumer daemon that is killed has written the streams, but often only the first 4 KiB of the metadata; what
/// lttng-crash then makes from the buffers of the same process has the whole of it. That two traces are of one process
/// is told by their UUID, which is in the metadata and in each packet of a stream.

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tiffany::ctf {

/// Stand-ins for traces whose metadata is cut: a temporary directory with the twin's metadata and links to the streams.
/// It lives as long as this object. Not shared between threads.
class LentMetadata {
  public:
    struct StandIn {
        std::string directory;  ///< what to read instead
        std::string lender;     ///< the twin
    };

    /// Call while this process has one thread. Cost: that of metadata_of_twins, if there are two traces or more; holds
    /// what it gives.
    /// Errors: ErrorKind::system if a temporary directory cannot be made.
    LentMetadata(const std::vector<std::string>& traces, std::chrono::seconds patience);
    ~LentMetadata();
    LentMetadata(const LentMetadata&) = delete;
    LentMetadata& operator=(const LentMetadata&) = delete;

    /// Nothing for a trace that has what it needs, or no twin.
    std::optional<StandIn> of(const std::string& trace) const;

  private:
    void lend(const std::string& trace, const std::string& lender, const std::string& text);

    std::map<std::string, StandIn> stand_ins_;
    std::string home_;  // "" = none was needed
};

}  // namespace tiffany::ctf
