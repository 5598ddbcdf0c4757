#pragma once
/// A hold on a spawned task: to join it, to cancel it, to wake it, to learn how it ended.

#include <cstdint>
#include <memory>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>

namespace tiffany {

namespace detail {
struct TaskCore;
}

/// Copied freely; keeps what is known of the task, not the task, alive. May outlive the scheduler.
class TaskHandle {
  public:
    TaskHandle() = default;
    explicit TaskHandle(std::shared_ptr<detail::TaskCore> core) noexcept : core_{std::move(core)} {}

    /// False: it stands for no task.
    explicit operator bool() const noexcept { return core_ != nullptr; }

    // All below: it stands for a task.

    /// Any thread.
    std::uint64_t tid() const noexcept;
    /// Any thread; at once old news on any other thread than the scheduler's.
    TaskState state() const noexcept;
    /// Finished, failed or cancelled. Any thread.
    bool ended() const noexcept;
    /// What the exception said that left it; empty if it did not fail. The scheduler's thread.
    const std::string& error() const noexcept;

    /// Asks the task to end: TaskCancelled is thrown where it is suspended, or at its next await. The scheduler's
    /// thread. Returns false, and does nothing, if it has ended or a request is pending already.
    bool cancel() const noexcept;

    /// Wakes it from `sleep_until_woken()`; if it is elsewhere, its next `sleep_until_woken()` returns soon. Several
    /// wakes before that count as one. Any thread. Errors: std::bad_alloc.
    void wake() const;

    const std::shared_ptr<detail::TaskCore>& core() const noexcept { return core_; }

  private:
    std::shared_ptr<detail::TaskCore> core_;
};

}  // namespace tiffany
