#pragma once
/// Tasks that wait for the same thing, in the order in which they came. The links lie in the operations: no allocation.

#include <tiffany/scheduler/detail/operation.hpp>

namespace tiffany::detail {

/// Not shared: whoever holds the scheduler's lock. Does not own the operations.
class WaitList {
  public:
    WaitList() = default;
    WaitList(const WaitList&) = delete;
    WaitList& operator=(const WaitList&) = delete;
    ~WaitList() { clear(); }  // what others may see takes the lock and clears it before

    bool empty() const noexcept { return head_ == nullptr; }
    ListedOperation* front() const noexcept { return head_; }
    void add(ListedOperation& operation) noexcept;
    /// Takes it out of the list that it is in, if it is in one.
    static void remove(ListedOperation& operation) noexcept;
    /// Takes all out; wakes nobody.
    void clear() noexcept;

  private:
    ListedOperation* head_ = nullptr;  // a ring: the last one is before the first
};

}  // namespace tiffany::detail
