#pragma once
/// The operations that wait for a time: a hierarchical timing wheel, exact to the nanosecond.
///
/// Level l has 256 slots of 256^l ns each. An operation lies at the level of the highest digit (base 256) in which its
/// deadline differs from the present time, in the slot of that digit; when time comes to that slot, what is in it moves
/// to lower levels. So adding and removing cost the same however many there are, and each operation moves at most once
/// a level: a sleep of a second three times. (Varghese and Lauck, Hashed and Hierarchical Timing Wheels, SOSP 1987.)
///
/// With many of them each one that moves is far away in memory, and a list tells where the next one is only when it has
/// come. So a slot has four lists, and four are fetched at a time. Which list it is follows from the deadline: those
/// that have the same one stay in their order.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tiffany/scheduler/detail/operation.hpp>

namespace tiffany::detail {

/// Not shared: whoever holds the scheduler's lock. Does not own the operations.
class TimerWheel {
  public:
    explicit TimerWheel(std::uint64_t now_ns) noexcept : now_ns_{now_ns} {}

    /// One whose deadline is over is given by the next `expire`. Of two with one deadline the one that came first is
    /// given first.
    void add(Operation& operation, std::uint64_t deadline_ns) noexcept;
    /// Does nothing if it is not in the wheel.
    void remove(Operation& operation) noexcept;

    /// Calls `each` for every operation whose deadline is not after `now_ns`, in the order of the deadlines; it is not
    /// in the wheel any more. `each` may add and remove.
    template <typename Each>
    void expire(std::uint64_t now_ns, const Each& each) {
        while (Operation* const due = pop_due(now_ns))
            each(*due);
    }

    bool empty() const noexcept { return used_levels_ == 0; }
    /// Nothing is due before this time; there may be nothing at it either. Not empty.
    std::uint64_t next_ns() const noexcept { return first_slot().begin_ns; }

  private:
    static constexpr unsigned kBits = 8;
    static constexpr std::size_t kSlots = std::size_t{1} << kBits;
    static constexpr std::size_t kWordBits = 64;
    static constexpr std::size_t kLevels = 64 / kBits;

    static constexpr std::size_t kLists = 4;
    static constexpr unsigned kListShift = 64 - 2;  // a number with the highest bits alone is a list's
    struct List {
        Operation* head = nullptr;
        Operation* tail = nullptr;
    };
    using Slot = std::array<List, kLists>;
    struct Place {
        std::size_t level;
        std::size_t slot;
        std::uint64_t begin_ns;
    };

    Operation* pop_due(std::uint64_t now_ns) noexcept;
    Place first_slot() const noexcept;
    void put(Operation& operation) noexcept;
    List& list_at(std::size_t level, std::size_t slot, std::uint64_t deadline_ns) noexcept;
    void move_down(const Place& from) noexcept;
    void mark_used(std::size_t level, std::size_t slot) noexcept;
    void mark_empty(std::size_t level, std::size_t slot) noexcept;

    std::uint64_t now_ns_;  // no slot before this time is used
    std::uint32_t used_levels_ = 0;
    std::array<std::array<std::uint64_t, kSlots / kWordBits>, kLevels> used_slots_{};  // one bit a slot
    std::array<std::array<Slot, kSlots>, kLevels> slots_{};
};

}  // namespace tiffany::detail
