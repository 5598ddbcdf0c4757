#pragma once
/// Plays programs on the coroutine scheduler, by its public functions.

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <tiffany/scheduler/channel.hpp>
#include <tiffany/scheduler/mutex.hpp>
#include <tiffany/scheduler/scheduler.hpp>
#include <tiffany/scheduler/scheduler_pool.hpp>
#include <tiffany/scheduler/semaphore.hpp>
#include <tiffany/testing/driver.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

/// A driver for what has the calls of tiffany::Scheduler. Its coroutines know nothing of the clock.
class CoroutineDriver : public Driver {
  public:
    TaskState state(std::size_t task) const override {
        const std::lock_guard lock{mutex_};
        return handles_.at(task) ? handles_[task].state() : TaskState::None;
    }

  protected:
    std::size_t tasks() const {
        const std::lock_guard lock{mutex_};
        return handles_.size();
    }

    std::atomic<bool> may_begin_{true};
    static constexpr std::chrono::nanoseconds kQuantum = std::chrono::milliseconds{5};

    static Model can_all() {
        return {.can = {Can::yield,         Can::fail,         Can::spawn,     Can::sleep,
                        Can::event,         Can::lock,         Can::semaphore, Can::channel,
                        Can::wake,          Can::join,         Can::io,        Can::timeout,
                        Can::cancel,        Can::catch_cancel, Can::quantum,   Can::budget,
                        Can::dependencies,  Can::shutdown,     Can::destroy,   Can::destroy_asleep,
                        Can::outside_spawn, Can::outside_wake, Can::groups,    Can::priorities,
                        Can::sites}};
    }

    void reset(Stage& stage) {
        const std::lock_guard lock{mutex_};
        handles_.assign(stage.program().tasks.size(), {});
        events_.clear();
        locks_.clear();
        semaphores_.clear();
        channels_.clear();
    }

    /// Spawns a task; any thread. The lock is held until the handle is kept: who asks for the state gets it.
    template <typename Runtime>
    void spawn(Runtime& runtime, Stage& stage, std::size_t task) {
        const Script& script = stage.script(task);
        const std::lock_guard lock{mutex_};
        SpawnOptions options{.name = stage.name(task), .priority = script.priority};
        if (!script.group.empty()) options.group = runtime.telemetry().group(script.group);
        std::vector<TaskRef> needs;
        for (const std::size_t dependency : script.dependencies)
            needs.emplace_back(handles_.at(dependency));
        options.dependencies = needs;
        if (script.budget.count() != 0) {
            options.budget = script.budget;
            options.budget_period = script.budget_period;
        }
        handles_.at(task) = runtime.spawn(options, play(*this, runtime, stage, task), stage.site(task));
    }

    template <typename Runtime>
    void play_outside(Runtime& runtime, Stage& stage) {
        stage.play_outside([&](const Step& step) {
            if (step.what == Do::spawn) spawn(runtime, stage, step.target);
            if (step.what == Do::wake) handle(step.target).wake();
        });
    }

  private:
    TaskHandle handle(std::size_t task) const {
        const std::lock_guard lock{mutex_};
        return handles_.at(task);
    }

    Event& event(std::size_t number) {
        const std::lock_guard lock{mutex_};
        return events_[number];
    }

    Mutex& lock(std::size_t number) {
        const std::lock_guard lock{mutex_};
        return locks_[number];
    }

    Semaphore& semaphore(std::size_t number) {
        const std::lock_guard lock{mutex_};
        return semaphores_.try_emplace(number, 0).first->second;
    }

    Channel<int>& channel(std::size_t number) {
        const std::lock_guard lock{mutex_};
        return channels_.try_emplace(number, 1).first->second;
    }

    using Held = std::map<std::size_t, Mutex::Lock>;  // what a task has locked

    static std::chrono::nanoseconds timeout_of(const Step& step) {
        return step.timeout.count() == 0 ? kForever : step.timeout;
    }

    static Task<> play_join(TaskHandle target, std::chrono::nanoseconds timeout) {
        try {
            const bool ended = co_await join_for(target, timeout);
            static_cast<void>(ended);
        } catch (const JoinError&) {
        }
    }

    template <typename Runtime>
    static Task<> play_step(CoroutineDriver& driver, Runtime& runtime, Stage& stage, const Step& step, Held& held) {
        switch (step.what) {
            case Do::yield:
                co_await yield();
                break;
            case Do::spin:
                for (;;) {
                    co_await yield();
                    std::this_thread::sleep_for(std::chrono::microseconds{50});  // else it floods the sink
                }
                break;
            case Do::sleep:
                co_await sleep_for(step.time);
                break;
            case Do::wait:
                co_await driver.event(step.target).wait(timeout_of(step));
                break;
            case Do::set:
                driver.event(step.target).set();
                break;
            case Do::lock: {
                Mutex::Lock lock = co_await driver.lock(step.target).lock();
                held.emplace(step.target, std::move(lock));
                break;
            }
            case Do::unlock:
                held.erase(step.target);
                break;
            case Do::acquire:
                co_await driver.semaphore(step.target).acquire();
                break;
            case Do::release:
                driver.semaphore(step.target).release();
                break;
            case Do::send: {
                const bool sent = co_await driver.channel(step.target).send(1);
                static_cast<void>(sent);
                break;
            }
            case Do::receive: {
                const std::optional<int> value = co_await driver.channel(step.target).receive();
                static_cast<void>(value);
                break;
            }
            case Do::block:
                co_await sleep_until_woken();
                break;
            case Do::wake:
                driver.handle(step.target).wake();
                break;
            case Do::join:
                co_await play_join(driver.handle(step.target), timeout_of(step));
                break;
            case Do::read:
                co_await readable(stage.readable_end(step.target), timeout_of(step));
                break;
            case Do::spawn:
                driver.spawn(runtime, stage, step.target);
                break;
            case Do::cancel:
                driver.handle(step.target).cancel();
                break;
            case Do::until:
                while (!stage.reached(step))
                    co_await yield();
                break;
            case Do::burn:
            case Do::write:
            case Do::fail:
                stage.act(step);
                break;
        }
    }

    template <typename Runtime>
    static Task<> play(CoroutineDriver& driver, Runtime& runtime, Stage& stage, std::size_t task) {
        while (!driver.may_begin_)
            std::this_thread::yield();
        Held held;
        for (const Step& step : stage.script(task).steps) {
            if (step.outcome != Outcome::caught) {
                co_await play_step(driver, runtime, stage, step, held);
                continue;
            }
            try {
                co_await play_step(driver, runtime, stage, step, held);
            } catch (const TaskCancelled&) {
            }
        }
    }

    mutable std::mutex mutex_;
    std::vector<TaskHandle> handles_;  // guarded by the lock
    // the maps are guarded by the lock
    std::map<std::size_t, Event> events_;
    std::map<std::size_t, Mutex> locks_;
    std::map<std::size_t, Semaphore> semaphores_;
    std::map<std::size_t, Channel<int>> channels_;
};

/// Nothing sleeps: whenever nothing can run, a millisecond passes.
class VirtualTimeDriver : public CoroutineDriver {
  public:
    Model model() const override {
        Model model = can_all();
        model.virtual_time = true;
        return model;
    }

    void run(Stage& stage) override {
        reset(stage);
        Scheduler scheduler{{.name = "virtual", .quantum = kQuantum, .clock = &stage.clock()}};
        for (const std::size_t task : stage.program().at_start())
            spawn(scheduler, stage, task);
        if (stage.program().ending == Ending::not_run) return;
        const std::jthread outside{[&] { play_outside(scheduler, stage); }};
        scheduler.run_until_idle();
        if (stage.program().ending == Ending::idle) return;
        if (stage.program().ending == Ending::shutdown) {
            scheduler.shutdown(std::chrono::milliseconds{1});
            return;
        }
        while ((scheduler.live() != 0 || !stage.outside_is_done()) && stage.in_time()) {
            stage.clock().advance(1'000'000);
            scheduler.run_until_idle();
        }
    }
};

/// On the system's clock: the scheduler blocks while all its tasks wait.
class RealTimeDriver : public CoroutineDriver {
  public:
    Model model() const override { return can_all(); }

    void run(Stage& stage) override {
        reset(stage);
        Scheduler scheduler{{.name = "real", .quantum = kQuantum}};
        for (const std::size_t task : stage.program().at_start())
            spawn(scheduler, stage, task);
        if (stage.program().ending == Ending::not_run) return;
        if (stage.program().ending != Ending::all_ended) scheduler.run_until_idle();
        if (stage.program().ending == Ending::idle) return;
        if (stage.program().ending == Ending::shutdown) scheduler.cancel_all();  // `shutdown` would wait in vain first
        const std::jthread outside{[&] { play_outside(scheduler, stage); }};
        const std::jthread giving_up = stage.give_up_by([&] { scheduler.stop(); });
        scheduler.run();
    }
};

/// Several threads on the system's clock. They run from the start on, so no task can be kept from beginning.
class PoolDriver : public CoroutineDriver {
  public:
    Model model() const override {
        Model model = can_all();
        model.can = model.can.without({Can::destroy});
        model.most_workers = 4;
        return model;
    }

    void run(Stage& stage) override {
        reset(stage);
        SchedulerPool pool{{.name = "pool", .quantum = kQuantum}, {.workers = 4}};
        may_begin_ = false;  // all are there when the first one begins, as with runtimes that are run after that
        for (const std::size_t task : stage.program().at_start())
            spawn(pool, stage, task);
        may_begin_ = true;
        if (stage.program().ending != Ending::all_ended)
            while (!nothing_can_run() && stage.in_time())
                std::this_thread::yield();
        if (stage.program().ending == Ending::idle) return;
        if (stage.program().ending == Ending::shutdown) pool.cancel_all();
        const std::jthread outside{[&] { play_outside(pool, stage); }};
        const std::jthread giving_up = stage.give_up_by([&] { pool.stop(); });
        do
            pool.wait();
        while (!stage.outside_is_done() && stage.in_time());
        if (stage.in_time()) pool.wait();
    }

  private:
    bool nothing_can_run() const {
        for (std::size_t task = 0; task < tasks(); ++task)
            if (!kSuspended.has(state(task)) && !kEnded.has(state(task))) return false;
        return true;
    }
};

}  // namespace tiffany::testing
