#pragma once
/// A process that tells of metadata, which is all that its parent keeps of it: one that was taken over by what it reads
/// cannot have that grow.

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "child_source.hpp"

namespace tiffany::ctf {

/// What is told of one trace.
struct ToldMetadata {
    std::string uuid;
    std::string text;
};

/// Not shared between threads.
class MetadataChild : public ChildHandler {
  public:
    /// Runs `work` in it, as ChildSource does.
    /// @param most       it tells of so many traces
    /// @param most_text  bytes, of one trace's text
    /// Errors: Error (system) if no process can be made.
    MetadataChild(const std::string& name, const std::function<void(FrameWriter&)>& work, std::chrono::seconds patience,
                  std::size_t most, std::size_t most_text);

    /// What was told; nothing if it came to no good end, or told more than it has to.
    std::vector<ToldMetadata> all();

    void metadata(std::string_view uuid, std::string_view text) override;

  private:
    ChildSource child_;
    std::size_t most_;
    std::size_t most_text_;
    std::vector<ToldMetadata> told_;
};

}  // namespace tiffany::ctf
