#pragma once
/// The tasks that are ready: the most urgent first, first come, first served within one priority, and now and then one
/// that is less urgent.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "task_core.hpp"

namespace tiffany::detail {

/// Push and pop cost the same whatever is in it; the links lie in the tasks. Not shared.
///
/// Ageing: each `kChoicesPerTurn`th pop serves, in turn, the next priority that has tasks, whatever its urgency. So
/// while tasks of p priorities come and go, the first task of any of them waits for p * kChoicesPerTurn runs at most,
/// and none starves. It counts choices, not time: a run is repeated exactly.
class ReadyQueue {
  public:
    static constexpr unsigned kChoicesPerTurn = 32;

    void push(TaskCore& task) noexcept {
        const std::size_t priority = task.life.priority();
        Lane& lane = lanes_[priority];
        task.next = nullptr;
        if (lane.head != nullptr)
            lane.tail->next = &task;
        else
            open(priority).head = &task;
        lane.tail = &task;
    }

    /// The next one, or null.
    TaskCore* pop() noexcept {
        if (empty()) return nullptr;
        if (--choices_to_turn_ == 0) [[unlikely]]
            return take_first(next_in_turn());
        return take_first(first_);
    }

    /// The first one that is not pinned; null: there is none. Cost: grows with the pinned ones before it.
    TaskCore* steal() noexcept {
        const Found found = find_movable();
        return found.task != nullptr ? take(found.priority, found.before, *found.task) : nullptr;
    }

    bool empty() const noexcept { return first_ == kLanes; }
    /// Forgets all.
    void clear() noexcept { *this = {}; }

  private:
    static constexpr std::size_t kLanes = 256;
    static constexpr std::size_t kBits = 64;
    static constexpr std::uint64_t bit(std::size_t priority) { return std::uint64_t{1} << (priority % kBits); }

    struct Lane {
        TaskCore* head = nullptr;  // null: it is empty
        TaskCore* tail = nullptr;  // means something while it is not
    };
    struct Found {
        std::size_t priority = 0;
        TaskCore* before = nullptr;
        TaskCore* task = nullptr;
    };

    Found find_movable() const noexcept {
        for (std::size_t priority = first_; priority < kLanes; priority = first_used_from(priority + 1)) {
            TaskCore* before = nullptr;
            for (TaskCore* task = lanes_[priority].head; task != nullptr; task = task->next) {
                if (!task->pinned) return {priority, before, task};
                before = task;
            }
        }
        return {};
    }

    /// The first priority from there on that has tasks; kLanes: none.
    std::size_t first_used_from(std::size_t priority) const noexcept {
        if (priority >= kLanes) return kLanes;
        std::size_t word = priority / kBits;
        std::uint64_t bits = used_[word] & ~(bit(priority) - 1);
        while (bits == 0) {
            if (++word == used_.size()) return kLanes;
            bits = used_[word];
        }
        return word * kBits + static_cast<std::size_t>(std::countr_zero(bits));
    }

    std::size_t next_in_turn() noexcept {
        choices_to_turn_ = kChoicesPerTurn;
        const std::size_t next = first_used_from(turn_ + 1);
        return turn_ = next < kLanes ? next : first_;
    }

    Lane& open(std::size_t priority) noexcept {
        used_[priority / kBits] |= bit(priority);
        if (priority < first_) first_ = priority;
        return lanes_[priority];
    }
    void close(std::size_t priority) noexcept {
        used_[priority / kBits] &= ~bit(priority);
        if (priority == first_) first_ = first_used_from(priority);
    }

    TaskCore* take_first(std::size_t priority) noexcept { return take(priority, nullptr, *lanes_[priority].head); }
    TaskCore* take(std::size_t priority, TaskCore* before, TaskCore& task) noexcept {
        Lane& lane = lanes_[priority];
        (before != nullptr ? before->next : lane.head) = task.next;
        if (task.next == nullptr) lane.tail = before;
        if (lane.head == nullptr)
            close(priority);
        else
            fetch(*lane.head);
        return &task;
    }

    /// The next task was fetched when the one before it was taken: now its coroutine is, and the task after it. So with
    /// many tasks neither is waited for when its turn comes.
    static void fetch(const TaskCore& next) noexcept {
        __builtin_prefetch(next.leaf);
        __builtin_prefetch(reinterpret_cast<const std::byte*>(next.leaf) + 48);  // what it awaits, as a rule
        if (next.next == nullptr) return;
        __builtin_prefetch(&next.next->life);
        __builtin_prefetch(&next.next->next);
    }

    std::size_t first_ = kLanes;  // the most urgent priority that has tasks; kLanes: none has
    unsigned choices_to_turn_ = kChoicesPerTurn;
    std::size_t turn_ = 0;                              // the priority that had the last turn
    std::array<std::uint64_t, kLanes / kBits> used_{};  // one bit a priority: its lane is not empty
    std::array<Lane, kLanes> lanes_{};
};

}  // namespace tiffany::detail
