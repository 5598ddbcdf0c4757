#pragma once
// An event loop: what it does for one descriptor is a task. docs/instrumenting.md explains it; tests/unit/testing runs
// it.

#include <poll.h>

#include <chrono>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>
#include <vector>

namespace example {

using namespace tiffany;

class EventLoop {
  public:
    explicit EventLoop(SchedulerTelemetry& telemetry) : worker_{telemetry.worker()} {}
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop() {
        for (auto* tasks : {&ready_, &waiting_})
            for (const auto& task : *tasks)
                worker_->cancelled(task->times, CancelCause::destroyed);
    }

    // `step` is called now, and then whenever the descriptor can be read, for as long as it returns true.
    void watch(const char* name, int descriptor, std::function<bool()> step, Site site = Site::here()) {
        auto task = std::make_unique<Watch>(descriptor, std::move(step));
        worker_->spawned(task->times, {.name = name, .site = site, .parent = running_});
        ready_.push_back(std::move(task));
    }

    void run() {
        while (!ready_.empty() || !waiting_.empty()) {
            if (ready_.empty()) {
                wait_for_descriptors();
                continue;
            }
            std::unique_ptr<Watch> task = std::move(ready_.front());
            ready_.pop_front();
            const Worker::Tick tick{*worker_, task->times};
            worker_->running(task->times);
            running_ = task->times.tid();
            if (step(*task)) {
                worker_->iowait(task->times, static_cast<std::uint64_t>(task->descriptor));
                waiting_.push_back(std::move(task));
            } else {
                worker_->done(task->times);
            }
            running_ = 0;
        }
    }

  private:
    struct Watch {
        Watch(int its_descriptor, std::function<bool()> its_step)
            : descriptor{its_descriptor}, step{std::move(its_step)} {}

        int descriptor;
        std::function<bool()> step;
        TaskTimes times{};
    };

    bool step(Watch& task) {
        try {
            return task.step();
        } catch (const std::exception& error) {  // it leaves run(), too, which may be called again
            worker_->failed(task.times, error.what());
            running_ = 0;
            throw;
        }
    }

    void wait_for_descriptors() {
        std::vector<pollfd> asked;
        for (const auto& task : waiting_)
            asked.push_back({task->descriptor, POLLIN, 0});
        worker_->park();
        const std::chrono::nanoseconds longest{worker_->longest_park_ns()};
        poll(asked.data(), asked.size(),
             static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(longest).count()));
        worker_->unpark();
        const Stamp now = worker_->now();  // all that one poll finds became ready at one time
        std::deque<std::unique_ptr<Watch>> still;
        for (std::size_t i = 0; i < asked.size(); ++i) {
            std::unique_ptr<Watch> task = std::move(waiting_[i]);
            if (asked[i].revents == 0) {
                still.push_back(std::move(task));
                continue;
            }
            worker_->ready(task->times, WakeCause::io, 0, 0, now);
            ready_.push_back(std::move(task));
        }
        waiting_ = std::move(still);
    }

    WorkerLease worker_;
    std::deque<std::unique_ptr<Watch>> ready_;
    std::deque<std::unique_ptr<Watch>> waiting_;
    std::uint64_t running_ = 0;  // tid of the task that runs; 0 = none
};

}  // namespace example
