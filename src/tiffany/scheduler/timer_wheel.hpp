#pragma once
/// The tasks that wait for a time: a hierarchical timing wheel, exact to the nanosecond.
///
/// Level l has 256 slots of 256^l ns each. A timer lies at the level of the highest digit (base 256) in which its
/// deadline differs from the present time, in the slot of that digit; when time comes to that slot, what is in it moves
/// to lower levels, if it is not alone there and due. So adding and removing cost the same however many there are, and
/// each timer moves at most once a level: a sleep of a second three times. (Varghese and Lauck, Hashed and Hierarchical
/// Timing Wheels, SOSP 1987.)
///
/// With many of them each one that moves is far away in memory, and a list tells where the next one is only when it has
/// come. So a slot has eight lists, and eight are fetched at a time. Which list it is follows from the deadline: those
/// that have the same one stay in their order.

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "timer_table.hpp"

namespace tiffany::detail {

/// Not shared: whoever holds the scheduler's lock. Knows tasks by their place; does not own the timers.
class TimerWheel {
  public:
    static constexpr std::size_t kMostFetched = 64;  ///< at a time

    TimerWheel(TimerTable& timers, std::uint64_t now_ns) noexcept : timers_{timers}, now_ns_{now_ns} {}

    /// One whose deadline is over is given by the next `expire`. Of two with one deadline the one that came first is
    /// given first. It is in no wheel.
    void add(std::uint32_t place, std::uint64_t deadline_ns) noexcept;
    /// It is in this wheel.
    void remove(std::uint32_t place) noexcept;

    /// Calls `tasks.expired(place, deadline_ns)` for every timer whose deadline is not after `now_ns`, in the order of
    /// the deadlines; it is not in the wheel any more, and that may add and remove. Those that were in it for long are
    /// given to `tasks.fetch(places)` before, as a rule, when they are due soon: not in that order, kMostFetched at
    /// most.
    template <typename Tasks>
    void expire(std::uint64_t now_ns, const Tasks& tasks) {
        while (used_levels_ != 0) {
            const Place first = first_slot();
            if (first.begin_ns > now_ns) break;
            const std::uint32_t due = first.level == 0 ? slots_[0][first.slot].front().head : only_one(first);
            if (due == kNone || timers_[due].deadline_ns > now_ns) {
                now_ns_ = std::max(now_ns_, first.begin_ns);
                move_down(first, tasks);
                continue;
            }
            remove(due);  // before time goes on, which tells where it lies
            now_ns_ = std::max(now_ns_, timers_[due].deadline_ns);
            tasks.expired(due, timers_[due].deadline_ns);
        }
        // nothing is left up to that time, so nothing has to move for it
        now_ns_ = std::max(now_ns_, now_ns);
    }

    bool empty() const noexcept { return used_levels_ == 0; }
    /// Nothing is due before this time; there may be nothing at it either. Not empty.
    std::uint64_t next_ns() const noexcept { return first_slot().begin_ns; }

  private:
    static constexpr unsigned kBits = 8;
    static constexpr std::size_t kSlots = std::size_t{1} << kBits;
    static constexpr std::size_t kWordBits = 64;
    static constexpr std::size_t kLevels = 64 / kBits;
    static constexpr std::uint32_t kNone = ~std::uint32_t{0};

    /// When time comes to a slot of this level, all in it is due so soon (65 us) that its tasks are fetched.
    static constexpr std::size_t kSoonLevel = 2;

    static constexpr std::size_t kLists = 8;
    static constexpr unsigned kListShift = 64 - 3;  // a number with the highest bits alone is a list's
    struct List {
        std::uint32_t head = kNone;
        std::uint32_t tail = kNone;
    };
    using Slot = std::array<List, kLists>;
    struct Place {
        std::size_t level;
        std::size_t slot;
        std::uint64_t begin_ns;
    };

    Place place_of(std::uint64_t deadline_ns) const noexcept;
    Place first_slot() const noexcept;
    void put(std::uint32_t place, Timer& timer) noexcept;
    List& list_at(std::size_t level, std::size_t slot, std::uint64_t deadline_ns) noexcept;
    void mark_used(std::size_t level, std::size_t slot) noexcept;
    void mark_empty(std::size_t level, std::size_t slot) noexcept;

    using Firsts = std::array<std::uint32_t, kLists>;
    Firsts take_out(const Place& from) noexcept;

    /// The timer in that slot; kNone: there are several, or it is not fetched yet. All before it is over, so it need
    /// not move down first.
    std::uint32_t only_one(const Place& in) const noexcept;

    /// All that is in it goes to lower levels, in its order as far as deadlines are the same.
    template <typename Tasks>
    void move_down(const Place& from, const Tasks& tasks) {
        if (from.level != kSoonLevel) {
            move_each(from, [](std::uint32_t) {});
            return;
        }
        std::array<std::uint32_t, kMostFetched> soon{};
        std::size_t count = 0;
        move_each(from, [&](std::uint32_t place) {
            soon[count++] = place;
            if (count == soon.size()) tasks.fetch(std::span{soon.data(), std::exchange(count, 0)});
        });
        if (count != 0) tasks.fetch(std::span{soon.data(), count});
    }
    template <typename Moved>
    void move_each(const Place& from, const Moved& moved) {
        Firsts firsts = take_out(from);
        for (bool any = true; any;) {
            any = false;
            for (std::uint32_t& first : firsts) {
                if (first == kNone) continue;
                any = true;
                const std::uint32_t place = first;
                Timer& moving = timers_[place];
                first = moving.after;
                if (first != kNone) __builtin_prefetch(&timers_[first]);
                put(place, moving);
                moved(place);
            }
        }
    }

    TimerTable& timers_;
    std::uint64_t now_ns_;  // no slot before this time is used
    std::uint32_t used_levels_ = 0;
    std::array<std::array<std::uint64_t, kSlots / kWordBits>, kLevels> used_slots_{};  // one bit a slot
    alignas(64) std::array<std::array<Slot, kSlots>, kLevels> slots_{};                // a slot is a cache line
};

}  // namespace tiffany::detail
