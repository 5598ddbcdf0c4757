#pragma once
/// The tasks that are ready: the most urgent first, first come, first served within one priority.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "task_core.hpp"

namespace tiffany::detail {

/// Push and pop cost the same whatever is in it; the links lie in the tasks. Not shared.
class ReadyQueue {
  public:
    void push(TaskCore& task) noexcept {
        const std::size_t priority = task.life.priority();
        Lane& lane = lanes_[priority];
        task.next_ready = nullptr;
        (lane.tail != nullptr ? lane.tail->next_ready : lane.head) = &task;
        lane.tail = &task;
        used_[priority / kBits] |= bit(priority);
    }

    /// The next one, or null.
    TaskCore* pop() noexcept {
        for (std::size_t word = 0; word < used_.size(); ++word) {
            if (used_[word] == 0) continue;
            const std::size_t priority = word * kBits + static_cast<std::size_t>(std::countr_zero(used_[word]));
            Lane& lane = lanes_[priority];
            TaskCore* const task = lane.head;
            lane.head = task->next_ready;
            if (lane.head == nullptr) {
                lane.tail = nullptr;
                used_[word] &= ~bit(priority);
            }
            return task;
        }
        return nullptr;
    }

    bool empty() const noexcept { return (used_[0] | used_[1] | used_[2] | used_[3]) == 0; }
    /// Forgets all.
    void clear() noexcept { *this = {}; }

  private:
    static constexpr std::size_t kBits = 64;
    static constexpr std::uint64_t bit(std::size_t priority) { return std::uint64_t{1} << (priority % kBits); }

    struct Lane {
        TaskCore* head = nullptr;
        TaskCore* tail = nullptr;
    };
    std::array<Lane, 256> lanes_{};
    std::array<std::uint64_t, 4> used_{};  // one bit a priority: its lane is not empty
};

}  // namespace tiffany::detail
