#include "timer_wheel.hpp"

#include <algorithm>
#include <utility>

namespace tiffany::detail {

void TimerWheel::add(Operation& operation, std::uint64_t deadline_ns) noexcept {
    operation.time_ns = deadline_ns;
    put(operation);
}

void TimerWheel::put(Operation& operation) noexcept {
    // what is over lies in the slot of the present nanosecond
    const std::uint64_t at_ns = std::max(operation.time_ns, now_ns_);
    const std::uint64_t differs = at_ns ^ now_ns_;
    const unsigned level = differs == 0 ? 0 : (static_cast<unsigned>(std::bit_width(differs)) - 1) / kBits;
    const std::size_t digit = static_cast<std::size_t>(at_ns >> (level * kBits)) % kSlots;
    operation.timer_level = static_cast<std::uint8_t>(level);
    operation.timer_slot = static_cast<std::uint8_t>(digit);
    Slot& slot = slots_[level][digit];
    operation.timer_before = slot.tail;
    operation.timer_after = nullptr;
    (slot.tail != nullptr ? slot.tail->timer_after : slot.head) = &operation;
    slot.tail = &operation;
    used_slots_[level] |= std::uint64_t{1} << digit;
    used_levels_ |= 1u << level;
}

void TimerWheel::remove(Operation& operation) noexcept {
    const std::size_t level = std::exchange(operation.timer_level, Operation::kNoTimer);
    if (level == Operation::kNoTimer) return;
    Slot& slot = slots_[level][operation.timer_slot];
    (operation.timer_before != nullptr ? operation.timer_before->timer_after : slot.head) = operation.timer_after;
    (operation.timer_after != nullptr ? operation.timer_after->timer_before : slot.tail) = operation.timer_before;
    if (slot.head != nullptr) return;
    used_slots_[level] &= ~(std::uint64_t{1} << operation.timer_slot);
    if (used_slots_[level] == 0) used_levels_ &= ~(1u << level);
}

/// The used slot that time comes to first: in the lowest level that is used, because all that is at a higher one is
/// after the whole of that level.
TimerWheel::Place TimerWheel::first_slot() const noexcept {
    const auto level = static_cast<std::size_t>(std::countr_zero(used_levels_));
    const auto slot = static_cast<std::size_t>(std::countr_zero(used_slots_[level]));
    const unsigned shift = static_cast<unsigned>(level) * kBits;
    // the digits above the level are the present time's
    const unsigned above = shift + kBits;
    const std::uint64_t prefix = above >= 64 ? 0 : now_ns_ >> above << above;
    return {level, slot, prefix | (static_cast<std::uint64_t>(slot) << shift)};
}

Operation* TimerWheel::take_all(const Place& place) noexcept {
    used_slots_[place.level] &= ~(std::uint64_t{1} << place.slot);
    if (used_slots_[place.level] == 0) used_levels_ &= ~(1u << place.level);
    Slot& slot = slots_[place.level][place.slot];
    slot.tail = nullptr;
    return std::exchange(slot.head, nullptr);
}

Operation* TimerWheel::pop_due(std::uint64_t now_ns) noexcept {
    while (used_levels_ != 0) {
        const Place first = first_slot();
        if (first.begin_ns > now_ns) break;
        if (first.level == 0) {
            now_ns_ = std::max(now_ns_, first.begin_ns);
            Operation& due = *slots_[0][first.slot].head;
            remove(due);
            return &due;
        }
        Operation* moving = take_all(first);
        now_ns_ = first.begin_ns;
        while (moving != nullptr)  // in their order, so that those with one deadline keep theirs
            put(*std::exchange(moving, moving->timer_after));
    }
    // nothing is left up to that time, so nothing has to move for it
    now_ns_ = std::max(now_ns_, now_ns);
    return nullptr;
}

}  // namespace tiffany::detail
