#include <tiffany/scheduler/detail/wait_list.hpp>

namespace tiffany::detail {

void WaitList::add(ListedOperation& operation) noexcept {
    operation.list = this;
    if (head_ == nullptr) {
        head_ = operation.before = operation.after = &operation;
        return;
    }
    operation.before = head_->before;
    operation.after = head_;
    head_->before->after = &operation;
    head_->before = &operation;
}

void WaitList::remove(ListedOperation& operation) noexcept {
    WaitList* const list = operation.list;
    if (list == nullptr) return;
    operation.list = nullptr;
    if (operation.after == &operation) {
        list->head_ = nullptr;
        return;
    }
    operation.before->after = operation.after;
    operation.after->before = operation.before;
    if (list->head_ == &operation) list->head_ = operation.after;
}

void WaitList::clear() noexcept {
    while (head_ != nullptr)
        remove(*head_);
}

}  // namespace tiffany::detail
