#include "timer_wheel.hpp"

#include <algorithm>
#include <utility>

#include "task_core.hpp"

namespace tiffany::detail {
namespace {

/// From this level on downwards a slot is so soon (65 us) that its tasks are fetched, too.
constexpr std::size_t kSoonLevel = 2;

/// Into the nearest cache, without waiting for it.
void fetch(const Operation* operation) noexcept {
    if (operation == nullptr) return;
    __builtin_prefetch(operation);
    __builtin_prefetch(operation + 1);  // the line that it ends in
}

/// What it takes to make its task ready and to run it: the task, and the coroutine's frame around the operation.
void fetch_task(const Operation& operation) noexcept {
    if (operation.chain == nullptr) return;
    const TaskCore& task = task_of(*operation.chain);
    __builtin_prefetch(&task.life);
    __builtin_prefetch(&task.next);
    __builtin_prefetch(reinterpret_cast<const std::byte*>(&operation) - 64);
}

}  // namespace

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
    List& list = list_at(level, digit, operation.time_ns);
    operation.timer_before = list.tail;
    operation.timer_after = nullptr;
    (list.tail != nullptr ? list.tail->timer_after : list.head) = &operation;
    list.tail = &operation;
    mark_used(level, digit);
}

void TimerWheel::remove(Operation& operation) noexcept {
    const std::size_t level = std::exchange(operation.timer_level, Operation::kNoTimer);
    if (level == Operation::kNoTimer) return;
    const std::size_t slot = operation.timer_slot;
    List& list = list_at(level, slot, operation.time_ns);
    (operation.timer_before != nullptr ? operation.timer_before->timer_after : list.head) = operation.timer_after;
    (operation.timer_after != nullptr ? operation.timer_after->timer_before : list.tail) = operation.timer_before;
    const Slot& lists = slots_[level][slot];
    if (std::all_of(lists.begin(), lists.end(), [](const List& one) { return one.head == nullptr; }))
        mark_empty(level, slot);
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

/// All that is in it goes to lower levels, in its order as far as deadlines are the same.
void TimerWheel::move_down(const Place& from) noexcept {
    mark_empty(from.level, from.slot);
    std::array<Operation*, kLists> firsts{};
    for (std::size_t i = 0; i < kLists; ++i)
        firsts[i] = std::exchange(slots_[from.level][from.slot][i], {}).head;
    for (bool any = true; any;) {
        any = false;
        for (Operation*& first : firsts) {
            if (first == nullptr) continue;
            any = true;
            Operation& moving = *std::exchange(first, first->timer_after);
            fetch(first);
            if (from.level <= kSoonLevel) fetch_task(moving);
            put(moving);
        }
    }
}

Operation* TimerWheel::pop_due(std::uint64_t now_ns) noexcept {
    while (used_levels_ != 0) {
        const Place first = first_slot();
        if (first.begin_ns > now_ns) break;
        if (first.level == 0) {
            now_ns_ = std::max(now_ns_, first.begin_ns);
            Operation& due = *slots_[0][first.slot].front().head;
            remove(due);
            return &due;
        }
        now_ns_ = first.begin_ns;
        move_down(first);
    }
    // nothing is left up to that time, so nothing has to move for it
    now_ns_ = std::max(now_ns_, now_ns);
    return nullptr;
}

}  // namespace tiffany::detail
