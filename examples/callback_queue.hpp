#pragma once
// A scheduler of another kind: a plain queue of callbacks in one thread, made visible with the hooks.
// callback_queue.cpp runs it; tests/unit/testing holds it to the contract.

#include <deque>
#include <functional>
#include <memory>
#include <stdexcept>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>

namespace example {

using namespace tiffany;

struct Callback {
    explicit Callback(std::function<bool()> its_step) : step{std::move(its_step)} {}

    std::function<bool()> step;  // returns whether it wants to be called again
    TaskTimes times{};           // one cache line: what telemetry keeps of a task. It must not move, hence unique_ptr
};

class CallbackQueue {
  public:
    // A tracer that comes late is told of each callback before its next event, and here each has its turn soon.
    // Where tasks wait for long there is list_tasks_by(): shared_queue.hpp.
    explicit CallbackQueue(SchedulerTelemetry& telemetry) : worker_{telemetry.worker()} {}

    // Site::here() as a default argument is the place of the call. The name must live as long as the task.
    void spawn(const char* name, std::function<bool()> step, Site site = Site::here()) {
        auto task = std::make_unique<Callback>(std::move(step));
        worker_->spawned(task->times, {.name = name, .site = site, .parent = running_});  // first the hook,
        queue_.push_back(std::move(task));                                                // then publish the task
    }

    void run() {
        while (!queue_.empty()) {
            std::unique_ptr<Callback> task = std::move(queue_.front());
            queue_.pop_front();
            const Worker::Tick tick{*worker_, task->times};  // one turn of the loop: here new listeners are noticed
            worker_->running(task->times);
            running_ = task->times.tid();  // a task is known by its number; addresses are used again
            try {
                if (task->step()) {
                    worker_->yield(task->times);
                    queue_.push_back(std::move(task));
                } else {
                    worker_->done(task->times);
                }
            } catch (const std::exception& error) {
                worker_->failed(task->times, error.what());
            }
            running_ = 0;
        }
    }

    ~CallbackQueue() {  // what is alive ends before the telemetry does
        for (const auto& task : queue_)
            worker_->cancelled(task->times, CancelCause::destroyed);
    }

  private:
    WorkerLease worker_;  // this thread's stream of events; given back with the queue
    std::deque<std::unique_ptr<Callback>> queue_;
    std::uint64_t running_ = 0;  // tid of the task that runs; 0 = none
};

}  // namespace example
