#pragma once
/// Where the log goes: a file with its turns, or a socket with its readers.

#include <cstdint>

#include "pal_batch.hpp"

namespace tiffany::detail {

/// All calls come from the writer's thread, but for the three around a fork. None of them waits for a disk that is full
/// or a reader that is slow.
class PalTarget {
  public:
    PalTarget() = default;
    PalTarget(const PalTarget&) = delete;
    PalTarget& operator=(const PalTarget&) = delete;
    virtual ~PalTarget() = default;

    /// Whether anybody wants the lines.
    virtual bool wants() const noexcept = 0;
    /// Whether lines should be handed over as soon as they are there; else a batch may fill.
    virtual bool is_live() const noexcept = 0;
    /// The bytes of a batch, at most, without its last line.
    virtual std::size_t batch_bytes() const noexcept = 0;
    virtual void meet(std::uint16_t index, std::uint64_t position) noexcept = 0;
    virtual void take(const PalBatch& batch, const PalWorkers& workers) noexcept = 0;
    /// Now and then, with no batch on its way: what was kept is tried again, readers come and go.
    /// @param ts_ns  of the last event
    virtual void tend(const PalWorkers& workers, std::uint64_t ts_ns) noexcept = 0;
    /// Nothing more comes: the process ends.
    virtual void end(const PalWorkers& workers, std::uint64_t ts_ns) noexcept = 0;

    // ---- around a fork ----

    virtual void lock() noexcept = 0;
    virtual void unlock() noexcept = 0;
    /// Closes the descriptors, and leaves everything else as it is: it is the parent's.
    virtual void become_child() noexcept = 0;
};

}  // namespace tiffany::detail
