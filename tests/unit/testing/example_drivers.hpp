#pragma once
/// Plays programs on the two schedulers of examples/ that are held to the contract.

#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/testing/driver.hpp>
#include <vector>

#include "callback_queue.hpp"
#include "shared_queue.hpp"
#include "work_stealing.hpp"

namespace tiffany::testing {

/// One thread, callbacks that give way by returning.
class CallbackQueueDriver : public Driver {
  public:
    Model model() const override { return {.can = {Can::yield, Can::fail, Can::spawn, Can::destroy, Can::sites}}; }

    void run(Stage& stage) override {
        SchedulerTelemetry telemetry{"callback-queue"};
        example::CallbackQueue queue{telemetry};
        for (const std::size_t task : stage.program().at_start())
            spawn(queue, stage, task);
        if (stage.program().ending == Ending::all_ended) queue.run();
    }

  private:
    static void spawn(example::CallbackQueue& queue, Stage& stage, std::size_t task) {
        const auto play = [&queue, &stage, task, next = std::size_t{0}]() mutable {
            const std::vector<Step>& steps = stage.script(task).steps;
            while (next < steps.size()) {
                const Step& step = steps[next++];
                if (stage.act(step)) continue;
                if (step.what == Do::yield) return true;
                if (step.what == Do::spawn) spawn(queue, stage, step.target);
            }
            return false;
        };
        queue.spawn(stage.name(task), play, stage.site(task));
    }
};

/// Several threads; a thread outside spawns and wakes.
template <typename Pool, typename Job, typename Next>
class ThreadsDriver : public Driver {
  public:
    Model model() const override {
        return {.can = {Can::yield, Can::destroy, Can::outside_spawn, Can::outside_wake, Can::sites},
                .most_workers = 4,
                .block = TaskEvent::Wait};
    }

    void run(Stage& stage) override {
        jobs_.assign(stage.program().tasks.size(), nullptr);
        Pool pool{stage.program().workers};
        for (const std::size_t task : stage.program().at_start())
            spawn(pool, stage, task);
        if (stage.program().ending == Ending::not_run) return;
        const std::jthread outside{[&] {
            stage.play_outside([&](const Step& step) {
                if (step.what == Do::spawn) spawn(pool, stage, step.target);
                if (step.what == Do::wake) pool.wake(job(step.target));
            });
        }};
        const std::jthread giving_up = stage.give_up_by([&] { pool.stop(); });
        pool.run();
    }

    TaskState state(std::size_t task) const override {
        const std::shared_ptr<Job> its_job = job(task);
        return its_job == nullptr ? TaskState::None : its_job->times.state();
    }

  private:
    void spawn(Pool& pool, Stage& stage, std::size_t task) {
        auto play = [&stage, task, next = std::size_t{0}]() mutable {
            const std::vector<Step>& steps = stage.script(task).steps;
            while (next < steps.size()) {
                const Step& step = steps[next++];
                if (stage.act(step)) continue;
                if (step.what == Do::yield) return Next::again;
                if (step.what == Do::block) return Next::wait;
            }
            return Next::end;
        };
        auto its_job = pool.spawn(stage.name(task), std::move(play), stage.site(task));
        const std::lock_guard lock{mutex_};
        jobs_[task] = std::move(its_job);
    }

    std::shared_ptr<Job> job(std::size_t task) const {
        const std::lock_guard lock{mutex_};
        return jobs_[task];
    }

    mutable std::mutex mutex_;
    std::vector<std::shared_ptr<Job>> jobs_;  // guarded by the lock
};

/// One queue for all of them.
using SharedQueueDriver = ThreadsDriver<example::Pool, example::Job, example::Next>;
/// One each.
using WorkStealingDriver = ThreadsDriver<example::stealing::Pool, example::stealing::Job, example::stealing::Next>;

}  // namespace tiffany::testing
