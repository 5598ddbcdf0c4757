#pragma once
/// What the writer's thread hands the events of the rings to: a program's sink, or the log.

#include <cstddef>
#include <cstdint>
#include <tiffany/pal/record.hpp>
#include <tiffany/tracepoints/catalogue.hpp>

namespace tiffany::detail {

/// One event where it lies in a ring.
struct PalEvent {
    EventId id;
    std::uint64_t ts_ns;       ///< since 1970
    const std::byte* payload;  ///< the event's struct, aligned to 16
};

/// All calls come from the writer's thread, but for become_child and the two before it.
class PalOutlet {
  public:
    PalOutlet() = default;
    PalOutlet(const PalOutlet&) = delete;
    PalOutlet& operator=(const PalOutlet&) = delete;
    virtual ~PalOutlet() = default;

    /// A worker's ring begins to be emptied: its next transition has seq `position` + 1.
    virtual void worker(pal::WorkerId, std::uint64_t /*position*/) noexcept {}
    /// These return false if what they were given was refused. Of one worker events come as they fired; of several by
    /// time, as far as one look at the rings reaches.
    virtual bool event(const PalEvent& event) noexcept = 0;
    virtual bool gap(const pal::Gap& gap) noexcept = 0;
    /// So many events that are no transitions found no room in a ring.
    virtual void lost_others(std::uint64_t /*count*/) noexcept {}
    /// After each look at the rings.
    /// @param told   it found something
    /// @param flush  somebody waits
    virtual bool looked(bool told, bool flush) noexcept = 0;
    /// The last call: nothing more comes.
    virtual void end() noexcept {}

    // ---- around a fork: the parent's other threads stand still where they are ----

    virtual void lock() noexcept {}
    virtual void unlock() noexcept {}
    /// In the child, with the lock: closes what is the parent's and leaves it as it is. Nothing else is called after
    /// it.
    virtual void become_child() noexcept {}
};

}  // namespace tiffany::detail
