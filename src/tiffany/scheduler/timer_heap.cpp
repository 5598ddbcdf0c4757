#include "timer_heap.hpp"

namespace tiffany::detail {

void TimerHeap::add(TaskCore& task, std::uint64_t deadline_ns) {
    const Timer timer{deadline_ns, next_order_++, &task};
    timers_.push_back(timer);
    sift_up(timers_.size() - 1, timer);
}

void TimerHeap::remove(TaskCore& task) noexcept {
    const std::size_t hole = task.heap_index;
    if (hole == TaskCore::kNotInHeap) return;
    task.heap_index = TaskCore::kNotInHeap;
    const Timer last = timers_.back();
    timers_.pop_back();
    if (hole == timers_.size()) return;  // it was the last one
    if (hole != 0 && last.before(timers_[(hole - 1) / 2])) {
        sift_up(hole, last);
    } else {
        sift_down(hole, last);
    }
}

void TimerHeap::put(std::size_t index, const Timer& timer) noexcept {
    timers_[index] = timer;
    timer.task->heap_index = index;
}

void TimerHeap::sift_up(std::size_t index, const Timer& timer) noexcept {
    while (index != 0) {
        const std::size_t parent = (index - 1) / 2;
        if (!timer.before(timers_[parent])) break;
        put(index, timers_[parent]);
        index = parent;
    }
    put(index, timer);
}

void TimerHeap::sift_down(std::size_t index, const Timer& timer) noexcept {
    for (;;) {
        std::size_t child = 2 * index + 1;
        if (child >= timers_.size()) break;
        if (child + 1 < timers_.size() && timers_[child + 1].before(timers_[child])) ++child;
        if (!timers_[child].before(timer)) break;
        put(index, timers_[child]);
        index = child;
    }
    put(index, timer);
}

}  // namespace tiffany::detail
