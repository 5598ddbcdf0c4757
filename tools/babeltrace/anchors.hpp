#pragma once
/// Where in its worker's life a record without a `seq` of its own lies: after which seq, as its source tells it.
///
/// Two exits of a process (LTTng, its own log) stamp one event with two times, and tell it after the same seq. Not
/// shared between threads; memory grows with workers.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <tiffany/pal/record.hpp>
#include <unordered_map>

namespace tiffany::ctf {

inline constexpr std::uint64_t kNoAnchor = std::numeric_limits<std::uint64_t>::max();

/// One source's records, in its own order.
class Anchors {
  public:
    /// The source begins in the middle of this worker's life.
    void begin(const pal::FirstSeq& first) { last_.try_emplace(key_of(first.worker), first.seq - 1); }

    /// The anchor of the next record: the worker's last seq before it, or its own; kNoAnchor = not known yet.
    std::uint64_t of(const pal::Record& record) {
        // Told by a thread that is not the worker's, so its place among the worker's records is chance.
        if (record.info != nullptr && record.info->id == EventId::Stalled) return 0;
        const std::uint64_t key = key_of(record.worker);
        if (record.seq != 0 || tells_position(record)) {
            std::uint64_t& last = last_.try_emplace(key, record.seq).first->second;
            last = std::max(last, record.seq);
            return record.seq;
        }
        const auto found = last_.find(key);
        return found == last_.end() ? kNoAnchor : found->second;
    }

  private:
    /// Also that it is 0: a worker that starts.
    static bool tells_position(const pal::Record& record) {
        return record.info != nullptr &&
               (record.info->id == EventId::WorkerStarted || record.info->id == EventId::WorkerDumped ||
                record.info->id == EventId::WorkerStopped);
    }

    static std::uint64_t key_of(const pal::WorkerId& worker) { return worker.instance << 16 | worker.index; }

    std::unordered_map<std::uint64_t, std::uint64_t> last_;  // by worker
};

}  // namespace tiffany::ctf
