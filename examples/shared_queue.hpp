#pragma once
// N threads on one shared queue, made visible with the hooks. Jobs are also spawned and woken by a thread that is not
// one of them. shared_queue.cpp runs it; tests/unit/testing holds it to the contract.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

namespace example {

using namespace tiffany;

enum class Next { again, wait, end };

struct Job {
    explicit Job(std::function<Next()> its_step) : step{std::move(its_step)} {}

    std::function<Next()> step;
    TaskTimes times{};   // any worker may run it: the pool's lock orders the hooks on it
    bool woken = false;  // guarded by the pool's lock
};

class Pool final : TaskList {
  public:
    explicit Pool(std::size_t threads) : threads_{threads} { telemetry_.list_tasks_by(this); }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() {  // what is alive ends before the telemetry does
        for (const auto& [tid, job] : live_)
            telemetry_.here().cancelled(job->times, CancelCause::destroyed);
    }

    // Any thread: here() is the worker that the thread took, or one that a foreign thread gets at its first use.
    std::shared_ptr<Job> spawn(const char* name, std::function<Next()> step, Site site = Site::here()) {
        auto job = std::make_shared<Job>(std::move(step));
        const std::lock_guard lock{mutex_};
        telemetry_.here().spawned(job->times, {.name = name, .site = site});  // first the hook, then publish
        live_.emplace(job->times.tid(), job);
        publish(job);
        return job;
    }

    // Any thread. Whoever makes the job runnable fires Ready, on its own worker.
    void wake(const std::shared_ptr<Job>& job) {
        const std::lock_guard lock{mutex_};
        job->woken = waiting_.erase(job) == 0;
        if (job->woken) return;
        telemetry_.here().ready(job->times, WakeCause::external);
        publish(job);
    }

    // A thread that is no worker: waits until every job that is left waits for a wake.
    void settle() {
        std::unique_lock lock{mutex_};
        settled_.wait(lock, [this] { return queue_.empty() && running_ == 0; });
    }

    // Runs all jobs to their end. Returns how many transitions they made.
    std::uint64_t run() {
        std::vector<std::jthread> running(threads_);
        for (std::jthread& thread : running)
            thread = std::jthread{[this] { work(); }};
        running.clear();  // joins them
        return telemetry_.transitions();
    }

    // Any thread: run() returns when the jobs that run have given way, whatever is left.
    void stop() {
        const std::lock_guard lock{mutex_};
        stopped_ = true;
        changed_.notify_all();
    }

  private:
    void publish(std::shared_ptr<Job> job) {
        queue_.push_back(std::move(job));
        changed_.notify_one();
    }

    // A tracer that comes late is told of every live job; the map's order makes a tid a good place to go on from.
    std::uint64_t list(std::uint64_t cursor, TaskTaker& taker) noexcept override {
        const std::lock_guard lock{mutex_};
        for (auto job = live_.upper_bound(cursor); job != live_.end(); ++job) {
            if (!taker.wants_more()) return cursor;
            taker.take(job->second->times);
            cursor = job->first;
        }
        return kEnd;
    }

    void work() {
        const WorkerLease worker = telemetry_.worker();  // given back at the end, by the same thread
        for (std::unique_lock lock{mutex_}; !live_.empty() && !stopped_;) {
            if (queue_.empty()) {
                if (running_ == 0) settled_.notify_all();
                lock.unlock();
                worker->park();  // no job to run; looks whether somebody new listens, and may call list()
                lock.lock();
                if (queue_.empty() && !live_.empty() && !stopped_)
                    changed_.wait_for(lock, std::chrono::nanoseconds{worker->longest_park_ns()});
                worker->unpark();
                continue;
            }
            const std::shared_ptr<Job> job = std::move(queue_.front());
            queue_.pop_front();
            ++running_;
            lock.unlock();
            const Worker::Tick tick{*worker, job->times};  // may call list(): without the lock
            worker->running(job->times);
            const Next next = job->step();
            lock.lock();
            --running_;
            if (next == Next::end) {
                worker->done(job->times);
                live_.erase(job->times.tid());
                if (live_.empty()) changed_.notify_all();
            } else if (next == Next::again || std::exchange(job->woken, false)) {
                worker->yield(job->times);  // a wake that came before the wait makes it a yield
                publish(job);
            } else {
                worker->wait(job->times, WaitReason::other, job->times.tid());  // then nobody but a waker touches it
                waiting_.insert(job);
            }
        }
    }

    SchedulerTelemetry telemetry_{"shared-queue"};  // dies last
    std::size_t threads_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::condition_variable settled_;
    std::deque<std::shared_ptr<Job>> queue_;
    std::map<std::uint64_t, std::shared_ptr<Job>> live_;  // by tid
    std::unordered_set<std::shared_ptr<Job>> waiting_;
    int running_ = 0;
    bool stopped_ = false;
};

}  // namespace example
