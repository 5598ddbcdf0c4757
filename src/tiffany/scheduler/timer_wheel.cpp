#include "timer_wheel.hpp"

namespace tiffany::detail {

void TimerWheel::add(std::uint32_t place, std::uint64_t deadline_ns) noexcept {
    Timer& timer = timers_[place];
    timer.deadline_ns = deadline_ns;
    put(place, timer);
}

/// Where it lies, or would: time comes to no slot without emptying it, so this stays the same until it moves.
TimerWheel::Place TimerWheel::place_of(std::uint64_t deadline_ns) const noexcept {
    // what is over lies in the slot of the present nanosecond
    const std::uint64_t at_ns = std::max(deadline_ns, now_ns_);
    const std::uint64_t differs = at_ns ^ now_ns_;
    const unsigned level = differs == 0 ? 0 : (static_cast<unsigned>(std::bit_width(differs)) - 1) / kBits;
    return {level, static_cast<std::size_t>(at_ns >> (level * kBits)) % kSlots, at_ns};
}

void TimerWheel::put(std::uint32_t place, Timer& timer) noexcept {
    const Place to = place_of(timer.deadline_ns);
    List& list = list_at(to.level, to.slot, timer.deadline_ns);
    timer.before = list.tail;
    timer.after = kNone;
    (list.tail != kNone ? timers_[list.tail].after : list.head) = place;
    list.tail = place;
    mark_used(to.level, to.slot);
}

/// Empties it. Returns the first one of each of its lists.
TimerWheel::Firsts TimerWheel::take_out(const Place& from) noexcept {
    mark_empty(from.level, from.slot);
    Firsts firsts{};
    for (std::size_t i = 0; i < kLists; ++i) {
        firsts[i] = std::exchange(slots_[from.level][from.slot][i], {}).head;
        if (firsts[i] != kNone) __builtin_prefetch(&timers_[firsts[i]]);
    }
    return firsts;
}

std::uint32_t TimerWheel::only_one(const Place& in) const noexcept {
    if (in.level >= kSoonLevel) return kNone;
    std::uint32_t found = kNone;
    for (const List& list : slots_[in.level][in.slot]) {
        if (list.head == kNone) continue;
        if (found != kNone || list.head != list.tail) return kNone;
        found = list.head;
    }
    return found;
}

void TimerWheel::remove(std::uint32_t place) noexcept {
    const Timer& timer = timers_[place];
    const Place from = place_of(timer.deadline_ns);
    List& list = list_at(from.level, from.slot, timer.deadline_ns);
    (timer.before != kNone ? timers_[timer.before].after : list.head) = timer.after;
    (timer.after != kNone ? timers_[timer.after].before : list.tail) = timer.before;
    const Slot& lists = slots_[from.level][from.slot];
    if (std::all_of(lists.begin(), lists.end(), [](const List& one) { return one.head == kNone; }))
        mark_empty(from.level, from.slot);
}

TimerWheel::List& TimerWheel::list_at(std::size_t level, std::size_t slot, std::uint64_t deadline_ns) noexcept {
    // those at level 0 have one deadline, or are all over: one list keeps their order
    if (level == 0) return slots_[0][slot].front();
    // some bits of the time may be the same in all deadlines: a product's highest bits depend on all of its bits
    return slots_[level][slot][static_cast<std::size_t>((deadline_ns * 0x9e3779b97f4a7c15u) >> kListShift)];
}

void TimerWheel::mark_used(std::size_t level, std::size_t slot) noexcept {
    used_slots_[level][slot / kWordBits] |= std::uint64_t{1} << slot % kWordBits;
    used_levels_ |= 1u << level;
}

void TimerWheel::mark_empty(std::size_t level, std::size_t slot) noexcept {
    auto& words = used_slots_[level];
    words[slot / kWordBits] &= ~(std::uint64_t{1} << slot % kWordBits);
    if (std::all_of(words.begin(), words.end(), [](std::uint64_t word) { return word == 0; }))
        used_levels_ &= ~(1u << level);
}

/// The used slot that time comes to first: in the lowest level that is used, because all that is at a higher one is
/// after the whole of that level.
TimerWheel::Place TimerWheel::first_slot() const noexcept {
    const auto level = static_cast<std::size_t>(std::countr_zero(used_levels_));
    std::size_t word = 0;
    while (used_slots_[level][word] == 0)
        ++word;
    const std::size_t slot = word * kWordBits + static_cast<std::size_t>(std::countr_zero(used_slots_[level][word]));
    const unsigned shift = static_cast<unsigned>(level) * kBits;
    // the digits above the level are the present time's
    const unsigned above = shift + kBits;
    const std::uint64_t prefix = above >= 64 ? 0 : now_ns_ >> above << above;
    return {level, slot, prefix | (static_cast<std::uint64_t>(slot) << shift)};
}

}  // namespace tiffany::detail
