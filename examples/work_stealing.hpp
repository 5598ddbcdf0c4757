#pragma once
// Threads that each have a queue, and take jobs out of the others'. A job that waits is woken without a lock.
// docs/instrumenting.md explains it; tests/unit/testing holds it to the contract.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <utility>
#include <vector>

namespace example::stealing {

using namespace tiffany;

enum class Next { again, wait, end };
enum class Wake { none, asleep, woken };

struct Job {
    explicit Job(std::function<Next()> its_step) : step{std::move(its_step)} {}

    std::function<Next()> step;
    TaskTimes times{};
    std::atomic<Wake> wake{Wake::none};  // who takes it out of `asleep` may touch `times`
};
using JobRef = std::shared_ptr<Job>;

class Pool final : TaskList {
  public:
    explicit Pool(std::size_t threads) : queues_(threads) { telemetry_.list_tasks_by(this); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {  // what is alive ends before the telemetry does
        for (const auto& [tid, job] : live_)
            telemetry_.here().cancelled(job->times, CancelCause::destroyed);
    }

    // Any thread.
    JobRef spawn(const char* name, std::function<Next()> step, Site site = Site::here()) {
        auto job = std::make_shared<Job>(std::move(step));
        telemetry_.here().spawned(job->times, {.name = name, .site = site});
        {
            const std::lock_guard lock{live_mutex_};
            live_.emplace(job->times.tid(), job);
            ++alive_;
        }
        push(next_queue_++ % queues_.size(), job);
        return job;
    }

    // Any thread. One that comes before the job waits is kept for that.
    void wake(const JobRef& job) {
        Wake seen = job->wake.load();
        do {
            if (seen == Wake::woken) return;
        } while (!job->wake.compare_exchange_weak(seen, seen == Wake::asleep ? Wake::none : Wake::woken));
        if (seen != Wake::asleep) return;
        telemetry_.here().ready(job->times, WakeCause::external);
        push(next_queue_++ % queues_.size(), job);
    }

    // Runs all jobs to their end. Returns how many transitions they made.
    std::uint64_t run() {
        std::vector<std::jthread> threads;
        for (std::size_t self = 0; self < queues_.size(); ++self)
            threads.emplace_back([this, self] { work(self); });
        threads.clear();  // joins them
        return telemetry_.transitions();
    }

    // Any thread: run() returns when the jobs that run have given way, whatever is left.
    void stop() {
        stopped_ = true;
        tell_idle();
    }

  private:
    struct Queue {
        std::mutex mutex;
        std::deque<JobRef> jobs;
    };

    void push(std::size_t queue, JobRef job) {
        {
            const std::lock_guard lock{queues_[queue].mutex};
            queues_[queue].jobs.push_back(std::move(job));
            ++queued_;
        }
        tell_idle();
    }

    // Its own newest, or another thread's oldest: no hook tells of that, the run is told by who runs it.
    JobRef take(std::size_t self) {
        for (std::size_t i = 0; i < queues_.size(); ++i) {
            Queue& queue = queues_[(self + i) % queues_.size()];
            const std::lock_guard lock{queue.mutex};
            if (queue.jobs.empty()) continue;
            auto job = i == 0 ? queue.jobs.end() - 1 : queue.jobs.begin();
            JobRef taken = std::move(*job);
            queue.jobs.erase(job);
            --queued_;
            return taken;
        }
        return nullptr;
    }

    void work(std::size_t self) {
        const WorkerLease worker = telemetry_.worker();  // given back at the end, by the same thread
        while (!over()) {
            const JobRef job = take(self);
            if (job == nullptr) {
                wait_for_jobs(*worker);
                continue;
            }
            const Worker::Tick tick{*worker, job->times};
            worker->running(job->times);
            const Next next = job->step();
            if (next == Next::end) {
                end(*worker, *job);
            } else if (next == Next::again) {
                worker->yield(job->times);
                push(self, job);
            } else {
                suspend(*worker, self, job);
            }
        }
    }

    void suspend(Worker& worker, std::size_t self, const JobRef& job) {
        worker.wait(job->times, WaitReason::other, job->times.tid());
        Wake seen = Wake::none;
        if (job->wake.compare_exchange_strong(seen, Wake::asleep)) return;  // it is the waker's now
        job->wake = Wake::none;  // the wake came first, and left it to this thread
        worker.ready(job->times, WakeCause::external);
        push(self, job);
    }

    void end(Worker& worker, Job& job) {
        const std::uint64_t tid = job.times.tid();
        worker.done(job.times);
        {
            const std::lock_guard lock{live_mutex_};
            live_.erase(tid);
        }
        if (--alive_ == 0) tell_idle();
    }

    void wait_for_jobs(Worker& worker) {
        worker.park();  // looks whether somebody new listens, and may call list(): without a lock
        {
            std::unique_lock lock{idle_mutex_};
            idle_.wait_for(lock, std::chrono::nanoseconds{worker.longest_park_ns()},
                           [this] { return queued_ != 0 || over(); });
        }
        worker.unpark();
    }

    void tell_idle() {
        { const std::lock_guard lock{idle_mutex_}; }  // who looked before this waits by now
        idle_.notify_all();
    }

    bool over() const { return alive_ == 0 || stopped_; }

    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override {
        const std::lock_guard lock{live_mutex_};
        for (auto job = live_.upper_bound(cursor); job != live_.end(); ++job) {
            if (!taker.wants_more()) return cursor;
            taker.take(job->second->times);
            cursor = job->first;
        }
        return kEnd;
    }

    SchedulerTelemetry telemetry_{"work-stealing"};  // dies last
    std::vector<Queue> queues_;
    std::atomic<std::size_t> next_queue_{0};
    std::atomic<std::size_t> queued_{0};
    std::atomic<std::size_t> alive_{0};
    std::atomic<bool> stopped_{false};
    std::mutex live_mutex_;
    std::map<std::uint64_t, JobRef> live_;  // by tid
    std::mutex idle_mutex_;
    std::condition_variable idle_;
};

}  // namespace example::stealing
