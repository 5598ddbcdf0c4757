#pragma once
/// The thread that looks for runs which do not end: docs/stalls.md.

#include <pthread.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>

namespace tiffany {
class Worker;
}

namespace tiffany::detail {

struct SchedulerCore;

/// A run that has lasted for longer than the bound.
struct Stall {
    const Worker* worker = nullptr;  ///< that runs it: to be found again by, it may be gone
    std::uint64_t worker_id = 0;
    std::uint64_t tid = 0;     ///< 0: the run began before its worker knew that it is watched
    std::uint64_t since = 0;   ///< ticks: what tells one run of a worker from another
    std::uint64_t run_ns = 0;  ///< up to when it was looked at
};

/// One for each scheduler that is watched. Its thread takes no signal, and shares in the ownership. It tells of each
/// run once, when somebody listens, on a worker of its own: the rings of the worker that stands still have one writer.
class StallWatch {
  public:
    /// Starts the thread. Errors: std::bad_alloc; std::system_error, no thread to be had.
    static std::shared_ptr<StallWatch> begin(SchedulerCore& core);
    StallWatch(const StallWatch&) = delete;
    StallWatch& operator=(const StallWatch&) = delete;

    // ---- its end, in this order, but for the process's workers_mutex ----

    /// It is to look no more. Returns whether the thread was done by then.
    /// @param until_ns  kernel_ns(): so long it is waited for
    bool stop(std::uint64_t until_ns) noexcept;
    bool is_over() noexcept;
    pthread_t thread() noexcept { return thread_.native_handle(); }
    void join() noexcept { thread_.join(); }
    /// The thread is in the middle of an event, perhaps for ever. From there on it reads no clock.
    /// @param core  for as long as it needs it
    void leave(std::shared_ptr<SchedulerCore> core) noexcept;

    /// The bound is another one from now on.
    void change_pace() noexcept;
    /// In a forked child, where its thread is not: keeps it, for its thread has never let it go. With the process's
    /// workers_mutex.
    static void leave_behind(const std::shared_ptr<StallWatch>& watch) noexcept;

  private:
    explicit StallWatch(SchedulerCore& core) noexcept : core_{core} {}
    std::shared_ptr<SchedulerCore> run() noexcept;
    void work() noexcept;
    void look() noexcept;
    bool tell(const Stall& stall) noexcept;

    SchedulerCore& core_;
    Worker* worker_ = nullptr;  // the thread's own; taken when there is something to tell

    std::mutex mutex_;  // these five
    std::condition_variable changed_;
    bool stopping_ = false;
    bool new_pace_ = false;
    bool over_ = false;
    std::shared_ptr<SchedulerCore> kept_;  // by a thread that was left

    StallWatch* left_before_ = nullptr;  // the next one of those that were left behind
    std::thread thread_;
};

}  // namespace tiffany::detail
