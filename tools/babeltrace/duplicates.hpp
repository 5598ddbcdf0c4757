#pragma once
/// Recognises records without a `seq` of their own (Worker, Park, Note, ...) that two inputs both hold.
///
/// Such a record is a copy if everything in it, its time included, is the same. Two that one input holds itself are
/// two. Memory: the records of one instant. Not shared between threads.

#include <cstddef>
#include <map>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::ctf {

class Duplicates {
  public:
    /// Whether another source has already given this record. Records come by time.
    bool seen(std::size_t source, const pal::Record& record) {
        if (record.ts_ns != ts_ns_) {
            ts_ns_ = record.ts_ns;
            kept_.clear();
        }
        for (Kept& kept : kept_)
            if (same(kept.record, record)) {
                if (++kept.by_source[source] <= kept.times) return true;
                ++kept.times;
                return false;
            }
        kept_.push_back({record, 1, {{source, 1}}});
        return false;
    }

  private:
    struct Kept {
        pal::Record record;
        std::size_t times;
        std::map<std::size_t, std::size_t> by_source;
    };

    static bool same(const pal::Record& a, const pal::Record& b) {
        return a.info == b.info && a.unknown == b.unknown && a.worker == b.worker && a.seq == b.seq && a.tid == b.tid &&
               a.step == b.step && a.numbers == b.numbers && a.texts == b.texts;
    }

    std::uint64_t ts_ns_ = 0;
    std::vector<Kept> kept_;
};

}  // namespace tiffany::ctf
