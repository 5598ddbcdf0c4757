#pragma once
/// Records that are used again, so that their strings keep their room.

#include <deque>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::ctf {

/// Memory: as many records as were out at one time. Not shared between threads.
class RecordPool {
  public:
    /// One to fill; it holds what it held before. It lives as long as the pool.
    pal::Record& fresh() {
        if (free_.empty()) return pool_.emplace_back();
        pal::Record& record = *free_.back();
        free_.pop_back();
        return record;
    }
    void recycle(pal::Record& record) { free_.push_back(&record); }

  private:
    std::deque<pal::Record> pool_;
    std::vector<pal::Record*> free_;
};

}  // namespace tiffany::ctf
