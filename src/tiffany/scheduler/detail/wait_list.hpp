#pragma once
/// Tasks that wait for the same thing, in the order in which they came. The links lie in the tasks: no allocation.

namespace tiffany::detail {

struct TaskCore;

/// Not shared: the scheduler's thread. Does not own the tasks.
class WaitList {
  public:
    WaitList() = default;
    WaitList(const WaitList&) = delete;
    WaitList& operator=(const WaitList&) = delete;
    ~WaitList() { clear(); }

    bool empty() const noexcept { return head_ == nullptr; }
    TaskCore* front() const noexcept { return head_; }
    void add(TaskCore& task) noexcept;
    /// Takes it out of the list that it is in, if it is in one.
    static void remove(TaskCore& task) noexcept;
    /// Takes all out; wakes nobody.
    void clear() noexcept;

  private:
    TaskCore* head_ = nullptr;
    TaskCore* tail_ = nullptr;
};

}  // namespace tiffany::detail
