#pragma once
/// What one source of a merge gives, counted by itself: with `--buffers-pid` that is what came of one process.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <tiffany/pal/record.hpp>
#include <unordered_map>

namespace tiffany::ctf {

/// What another source gave before is not counted. Not shared between threads; memory grows with workers.
class SourceCounts {
  public:
    void add(const pal::Record& record) {
        ++records;
        if (record.is_transition()) ++transitions;
        const std::uint64_t worker = record.worker.instance << 16 | record.worker.index;
        if (record.info != nullptr && record.info->id == EventId::WorkerStopped) {
            stopped_ns_[worker] = record.ts_ns;
            last_.reset();
        } else if (last_ != worker) {
            std::uint64_t& stopped_ns = stopped_ns_[worker];
            if (stopped_ns >= record.ts_ns) return;  // of two channels at one time, any may come first
            stopped_ns = 0;
            last_ = worker;
        }
    }
    /// It was added, and is a copy.
    void take_back(const pal::Record& record) {
        --records;
        if (record.is_transition()) --transitions;
    }
    std::size_t open_workers() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(stopped_ns_, [](const auto& worker) { return worker.second == 0; }));
    }

    std::uint64_t records = 0;
    std::uint64_t transitions = 0;

  private:
    std::unordered_map<std::uint64_t, std::uint64_t> stopped_ns_;  // by worker: when it stopped; 0: it goes on
    std::optional<std::uint64_t> last_;                            // the worker of the last record, which goes on
};

}  // namespace tiffany::ctf
