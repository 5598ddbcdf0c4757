#pragma once
/// Where in its worker's life a record without a `seq` of its own lies: after which seq, as its source tells it.
///
/// Two exits of a process (LTTng, its own log) stamp one event with two times, and tell it after the same seq; where
/// one of them has lost transitions, after one of those perhaps. Not shared between threads; memory grows with workers.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
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
            const std::uint64_t lost_to = record.is_transition() ? record.seq - 1 : record.seq;
            if (lost_to > last) keep_jump(key, {last, lost_to});
            last = std::max(last, record.seq);
            return record.seq;
        }
        const auto found = last_.find(key);
        return found == last_.end() ? kNoAnchor : found->second;
    }

    /// The last seq that a record of that anchor may follow: its source has lost what is between. As far as it was
    /// read.
    std::uint64_t until(const pal::Record& record, std::uint64_t anchor) const {
        if (record.seq != 0 || tells_position(record) || anchor == kNoAnchor) return anchor;
        const auto found = jumps_.find(key_of(record.worker));
        if (found == jumps_.end()) return anchor;
        const auto jump = std::ranges::find(found->second, anchor, &Jump::after);
        return jump == found->second.end() ? anchor : jump->to;
    }

  private:
    static constexpr std::size_t kMostJumps = 256;  // of a worker; a record that was read is given soon

    struct Jump {
        std::uint64_t after;
        std::uint64_t to;
    };

    void keep_jump(std::uint64_t key, Jump jump) {
        std::deque<Jump>& jumps = jumps_[key];
        if (jumps.size() == kMostJumps) jumps.pop_front();
        jumps.push_back(jump);
    }

    /// Also that it is 0: a worker that starts.
    static bool tells_position(const pal::Record& record) {
        return record.info != nullptr &&
               (record.info->id == EventId::WorkerStarted || record.info->id == EventId::WorkerDumped ||
                record.info->id == EventId::WorkerStopped);
    }

    static std::uint64_t key_of(const pal::WorkerId& worker) { return worker.instance << 16 | worker.index; }

    std::unordered_map<std::uint64_t, std::uint64_t> last_;  // by worker
    std::unordered_map<std::uint64_t, std::deque<Jump>> jumps_;
};

}  // namespace tiffany::ctf
