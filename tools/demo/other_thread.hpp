#pragma once
/// A thread that is not the scheduler's: it wakes the tasks that it is given, and spawns one itself now and then.

#include <condition_variable>
#include <mutex>
#include <thread>
#include <tiffany/scheduler/scheduler.hpp>
#include <vector>

namespace tiffany::demo {

/// Thread-safe. Ends its thread in its destructor, or in `end`.
class OtherThread {
  public:
    explicit OtherThread(Scheduler& scheduler) : scheduler_{scheduler}, thread_{[this] { work(); }} {}
    ~OtherThread() { end(); }
    OtherThread(const OtherThread&) = delete;
    OtherThread& operator=(const OtherThread&) = delete;

    /// Has the task woken soon.
    void wake(TaskHandle task);
    void end();

  private:
    void work();

    Scheduler& scheduler_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<TaskHandle> to_wake_;
    bool ending_ = false;
    std::thread thread_;
};

}  // namespace tiffany::demo
