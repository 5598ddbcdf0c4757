#pragma once
// The times of some tasks of one process: few of them take little room. Private to analysis.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tiffany/analysis/task_stats.hpp>
#include <vector>

namespace tiffany::analysis {

/// Something that was seen of a task at a worker of scheduler `slot`.
struct Sighting {
    enum class What : std::uint8_t { spawned, done, failed, cancelled, run, ready, wait, stall, stalled_run };
    std::uint32_t slot = 0;
    What what = What::run;
    std::uint8_t wait_kind = 0;
    std::uint64_t ns = 0;
};

/// A log can tell of many processes that did next to nothing, each with times of its own, and TaskTimesSeen takes some
/// kilobytes: the first sightings are kept as they are.
class SlotTimes {
  public:
    void add(const Sighting& sighting);
    /// All that was seen, to be added to; null while it is little.
    TaskTimesSeen* all() const { return all_.get(); }
    void add_to(TaskTimesSeen& sum) const;

  private:
    static constexpr std::size_t kFew = 32;

    std::vector<Sighting> few_;
    std::unique_ptr<TaskTimesSeen> all_;  // null until there are more than few
};

}  // namespace tiffany::analysis
