#include <tiffany/scheduler/detail/wait_list.hpp>

#include "task_core.hpp"

namespace tiffany::detail {

void WaitList::add(TaskCore& task) noexcept {
    task.wait_list = this;
    task.wait_before = tail_;
    task.wait_after = nullptr;
    (tail_ != nullptr ? tail_->wait_after : head_) = &task;
    tail_ = &task;
}

void WaitList::remove(TaskCore& task) noexcept {
    WaitList* const list = task.wait_list;
    if (list == nullptr) return;
    (task.wait_before != nullptr ? task.wait_before->wait_after : list->head_) = task.wait_after;
    (task.wait_after != nullptr ? task.wait_after->wait_before : list->tail_) = task.wait_before;
    task.wait_list = nullptr;
    task.wait_before = nullptr;
    task.wait_after = nullptr;
}

void WaitList::clear() noexcept {
    while (head_ != nullptr)
        remove(*head_);
}

}  // namespace tiffany::detail
