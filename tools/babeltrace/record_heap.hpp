#pragma once
/// Records of several sources, handed out by (ts, instance, worker, seq).
///
/// The order of events with equal time stamps on different CPUs is the muxer's whim, and a log's late records lie
/// behind their time: so every source has some records in the heap, and the earliest of all comes out. Memory: what is
/// in it; records are reused, so that their strings keep their room. Not shared between threads.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <tiffany/pal/record.hpp>
#include <tuple>
#include <vector>

namespace tiffany::ctf {

class RecordHeap {
  public:
    struct Place {
        std::size_t source;
        pal::Record* record;
        std::uint64_t anchor;  // as it was added
    };

    /// A record to fill, and then to `add` or to `recycle`.
    pal::Record& fresh() {
        if (free_.empty()) {
            pool_.emplace_back();
            return pool_.back();
        }
        pal::Record& record = *free_.back();
        free_.pop_back();
        return record;
    }
    void recycle(pal::Record& record) { free_.push_back(&record); }

    void add(std::size_t source, pal::Record& record, std::uint64_t anchor) {
        heap_.push_back({record.ts_ns, record.worker.instance << 16 | record.worker.index, record.seq, count_++, source,
                         &record, anchor});
        std::push_heap(heap_.begin(), heap_.end());
    }
    bool empty() const { return heap_.empty(); }
    std::size_t size() const { return heap_.size(); }

    const pal::Record& first() const { return *heap_.front().record; }

    template <typename Visit>
    void for_each(const Visit& visit) const {
        for (const Entry& entry : heap_)
            visit(*entry.record);
    }

    /// Takes the first out; the caller recycles its record.
    Place take() {
        std::pop_heap(heap_.begin(), heap_.end());
        const Entry entry = heap_.back();
        heap_.pop_back();
        return {entry.source, entry.record, entry.anchor};
    }

  private:
    struct Entry {
        std::uint64_t ts_ns;
        std::uint64_t worker;
        std::uint64_t seq;
        std::uint64_t count;  // as they came, where all else is equal
        std::size_t source;
        pal::Record* record;
        std::uint64_t anchor;

        bool operator<(const Entry& other) const {  // std::heap has the greatest first
            return std::tie(other.ts_ns, other.worker, other.seq, other.count) < std::tie(ts_ns, worker, seq, count);
        }
    };

    std::vector<Entry> heap_;
    std::deque<pal::Record> pool_;
    std::vector<pal::Record*> free_;
    std::uint64_t count_ = 0;
};

}  // namespace tiffany::ctf
