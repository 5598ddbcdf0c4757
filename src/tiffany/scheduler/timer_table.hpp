#pragma once
/// What the timer wheels know of the tasks: beside them and not in them, because a wheel walks over timers in an order
/// that no cache knows, and the fewer bytes there are, the more of them it keeps.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "mapped_memory.hpp"

namespace tiffany::detail {

/// One task's: a task waits for one time at most. In a list of a wheel.
struct Timer {
    std::uint64_t deadline_ns;
    std::uint32_t before;  // its neighbours' places
    std::uint32_t after;
};

/// The timers of all tasks of a scheduler, by the task's place. They stay where they are: each block has as many as all
/// before it. Grows under its owner's lock; a timer is whoever's it is who has the task, and grows nothing.
class TimerTable {
  public:
    TimerTable() = default;
    TimerTable(const TimerTable&) = delete;
    TimerTable& operator=(const TimerTable&) = delete;

    /// There is a timer for each place below `places`. Errors: std::bad_alloc.
    void grow_to(std::uint64_t places) {
        for (; size_ < places; size_ += kFirst << (blocks_used_ - 1)) {
            blocks_[blocks_used_] = MappedMemory{(kFirst << blocks_used_) * sizeof(Timer), alignof(Timer)};
            ++blocks_used_;
        }
    }

    Timer& operator[](std::uint32_t place) const noexcept {
        const std::uint64_t number = place + kFirst;
        const auto width = static_cast<unsigned>(std::bit_width(number)) - 1;
        auto* const block = reinterpret_cast<Timer*>(blocks_[width - kFirstBits].begin());
        return block[number - (std::uint64_t{1} << width)];
    }

  private:
    static constexpr unsigned kFirstBits = 8;
    static constexpr std::uint64_t kFirst = std::uint64_t{1} << kFirstBits;

    std::array<MappedMemory, 32 - kFirstBits + 1> blocks_;
    unsigned blocks_used_ = 0;
    std::uint64_t size_ = 0;
};

}  // namespace tiffany::detail
