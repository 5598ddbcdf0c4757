#pragma once
/// What goes to a log's outputs at once: some lines, and what they tell of each worker.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string_view>
#include <tiffany/tracepoints/event_structs.hpp>
#include <vector>

namespace tiffany::detail {

constexpr std::size_t kWorkerIndices = 65'536;

/// An array by the workers' index: only the pages that are used take memory, and it never grows.
template <typename Value>
class ByIndex {
  public:
    /// Errors: std::bad_alloc.
    ByIndex() : values_{static_cast<Value*>(std::calloc(kWorkerIndices, sizeof(Value))), &std::free} {
        if (values_ == nullptr) throw std::bad_alloc{};
    }
    Value& operator[](std::size_t index) noexcept { return values_.get()[index]; }
    const Value& operator[](std::size_t index) const noexcept { return values_.get()[index]; }

  private:
    std::unique_ptr<Value, void (*)(void*)> values_;
};

/// A worker as the log knows it. All of it is 0 at first.
struct PalWorkerState {
    std::uint64_t position;    ///< its last transition that was told, or told to be lost, batch included
    std::uint64_t batch_from;  ///< the first of them in the present batch; 0 = none
    std::uint64_t stopped_at;  ///< the position with which it was given back
    bool known;
    bool live;                       ///< it was taken, and not given back
    tiffany_worker_started started;  ///< who it is; seq is not kept up to date

    /// Whether it may do more: its thread holds it, or went on with it after it was given back.
    bool is_open() const noexcept { return live || position != stopped_at; }
};

/// All workers; what a batch changes in it is what the outputs have to tell.
struct PalWorkers {
    PalWorkers() {
        known.reserve(kWorkerIndices);
        touched.reserve(kWorkerIndices);
    }
    std::uint64_t instance = 0;
    ByIndex<PalWorkerState> state;
    std::vector<std::uint16_t> known;    ///< indices
    std::vector<std::uint16_t> touched;  ///< those with transitions in the present batch
    std::uint64_t lost_others = 0;       ///< events that are no transitions and found no room in a ring, up to now
};

struct PalBatch {
    std::string_view lines;
    std::uint64_t records = 0;      ///< without gaps
    std::uint64_t transitions = 0;  ///< of these
    std::uint64_t states = 0;       ///< of these, of a state dump
    std::uint64_t lost = 0;         ///< in its gaps
    std::uint64_t first_ts_ns = 0;
    std::uint64_t last_ts_ns = 0;
};

}  // namespace tiffany::detail
