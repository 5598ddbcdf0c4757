#pragma once
/// The tasks that wait for a time: a binary heap that knows where each task lies, so that a cancelled one is taken out.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "task_core.hpp"

namespace tiffany::detail {

/// A task is in it once at most. Not shared.
class TimerHeap {
  public:
    /// Makes room for so many tasks, so that `add` does not allocate. Errors: std::bad_alloc.
    void reserve(std::size_t tasks) {
        if (tasks > timers_.capacity()) timers_.reserve(2 * tasks);
    }
    void add(TaskCore& task, std::uint64_t deadline_ns);
    /// Does nothing if it is not in the heap.
    void remove(TaskCore& task) noexcept;

    bool empty() const noexcept { return timers_.empty(); }
    // All below: not empty.
    std::uint64_t first_deadline_ns() const noexcept { return timers_.front().deadline_ns; }
    TaskCore& first() const noexcept { return *timers_.front().task; }

  private:
    struct Timer {
        std::uint64_t deadline_ns;
        std::uint64_t order;  // of two with the same deadline the one that came first goes first
        TaskCore* task;
        bool before(const Timer& other) const noexcept {
            return deadline_ns != other.deadline_ns ? deadline_ns < other.deadline_ns : order < other.order;
        }
    };
    void put(std::size_t index, const Timer& timer) noexcept;
    void sift_up(std::size_t index, const Timer& timer) noexcept;
    void sift_down(std::size_t index, const Timer& timer) noexcept;

    std::vector<Timer> timers_;
    std::uint64_t next_order_ = 0;
};

}  // namespace tiffany::detail
