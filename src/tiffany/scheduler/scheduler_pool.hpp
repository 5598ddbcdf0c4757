#pragma once
/// A scheduler with several threads: one name, one set of tasks, N workers.
///
///     SchedulerPool pool{{.name = "crunch"}, {.workers = 4}};
///     for (Chunk& chunk : chunks) pool.spawn({.name = "chunk"}, crunch(chunk));
///     pool.wait();
///
/// A task begins at the worker that its spawn names, or at the next one in turn, and stays where it ran last; a worker
/// that has nothing to do takes ready tasks of the others, also ones that have run before, but for those that are
/// pinned. Between two awaits a task runs on one thread; after an await it may be another one.

#include <chrono>
#include <memory>
#include <thread>
#include <tiffany/scheduler/scheduler.hpp>
#include <type_traits>
#include <vector>

namespace tiffany {

struct PoolOptions {
    unsigned workers = 0;      ///< threads; 0 = as many as there are CPUs for this process
    bool pin_threads = false;  ///< thread i stays on the i-th of those CPUs
};

/// Thread-safe but for its end. Its threads block all signals. `wait`, `shutdown` and `close` throw std::logic_error,
/// which names the pool, and do nothing, on one of its own threads: they would wait for themselves.
class SchedulerPool : public SchedulerBase {
  public:
    /// Starts the threads, each with its worker. Errors: std::bad_alloc; std::system_error when the system gives no
    /// epoll, eventfd or thread, or a thread cannot be pinned.
    explicit SchedulerPool(const SchedulerOptions& options = {}, const PoolOptions& pool = {})
        : SchedulerPool{options, pool, HooksOf{}} {}
    /// As `close()`, but for errors: on no thread of the pool's.
    ~SchedulerPool();

    unsigned workers() const noexcept;

    /// Blocks until no task is alive, or `stop()`; on a virtual clock also when nothing could wake a task any more. Any
    /// thread, several at a time. Errors: std::logic_error, as above.
    void wait();
    /// As Scheduler::shutdown. Any thread. Errors: the same.
    bool shutdown(std::chrono::nanoseconds timeout);
    /// Ends the threads, when the runs that they are in end; then as Scheduler::close. One thread. Errors: the same.
    void close();

  private:
    using HooksOf = std::type_identity<SchedulerTelemetry>;
    SchedulerPool(const SchedulerOptions& options, const PoolOptions& pool, HooksOf);

    void end() noexcept;

    std::vector<std::jthread> threads_;
};

}  // namespace tiffany
