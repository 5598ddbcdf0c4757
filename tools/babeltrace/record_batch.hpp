#pragma once
/// A few records that a source has read one after the other: who takes them asks it once for all of them.

#include <cstddef>
#include <span>
#include <tiffany/pal/record.hpp>
#include <utility>
#include <vector>

#include "record_pool.hpp"

namespace tiffany::ctf {

/// Memory: its records. Not shared between threads.
class RecordBatch {
  public:
    static constexpr std::size_t kMost = 32;  ///< more take no less time (ADR 38)

    /// @param pool  where its records come from; it outlives this
    /// @param most  how many it can hold, 1 at least
    explicit RecordBatch(RecordPool& pool, std::size_t most = kMost) {
        for (std::size_t i = 0; i < most; ++i)
            records_.push_back(&pool.fresh());
    }

    bool full() const { return size_ == records_.size(); }
    bool empty() const { return size_ == 0; }
    void clear() { size_ = 0; }

    /// The place of the next one, to be filled before `add`; not to be called if it is full.
    pal::Record& place() { return *records_[size_]; }
    void add() { ++size_; }
    /// Adds a record, and returns another one for it.
    pal::Record& exchange(pal::Record& record) { return *std::exchange(records_[size_++], &record); }

    /// What is in it; who keeps one puts another in its place.
    std::span<pal::Record*> records() { return {records_.data(), size_}; }

  private:
    std::vector<pal::Record*> records_;
    std::size_t size_ = 0;
};

}  // namespace tiffany::ctf
