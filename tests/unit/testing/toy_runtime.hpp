#pragma once
/// A small runtime that can do all that programs ask of one thread, and that can be made to call one hook wrongly: so
/// it is seen that the suite notices.

#include <poll.h>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/testing/driver.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

enum class Wrong : std::uint8_t { nothing, left_out, called_twice, too_late, in_place };

/// What is wrong with each call of one hook.
struct Mutation {
    Wrong wrong = Wrong::nothing;
    TaskEvent hook = TaskEvent::Spawned;
    TaskEvent other = TaskEvent::Spawned;  ///< in_place: what is called instead
};

/// "ReadyLeftOut", "WaitInPlaceOfSleep".
inline std::string name_of(const Mutation& mutation) {
    const std::string hook{label(mutation.hook)};
    switch (mutation.wrong) {
        case Wrong::nothing:
            break;
        case Wrong::left_out:
            return hook + "LeftOut";
        case Wrong::called_twice:
            return hook + "CalledTwice";
        case Wrong::too_late:
            return hook + "AfterTheNextOne";
        case Wrong::in_place:
            return std::string{label(mutation.other)} + "InPlaceOf" + hook;
    }
    return "Nothing";
}
inline void PrintTo(const Mutation& mutation, std::ostream* out) {
    *out << name_of(mutation);
}

/// What a hook is called with.
struct HookCall {
    TaskEvent event = TaskEvent::Spawned;
    TaskTimes* task = nullptr;
    SpawnInfo spawn = {};
    WakeCause wake = WakeCause::timer;
    CancelCause cancel = CancelCause::asked;
    std::uint64_t by = 0;      // waker, canceller
    std::uint64_t number = 0;  // dur_ns, io, target, resource, park_ns
    std::string text = {};
};

/// The worker's hooks, one of them called wrongly.
class Hooks {
  public:
    Hooks(Worker& worker, const Mutation& mutation) : worker_{worker}, mutation_{mutation} {}

    void call(const HookCall& call) {
        if (mutation_.wrong == Wrong::nothing || call.event != mutation_.hook) {
            fire(call);
            if (held_ && held_->task == call.task) fire(*std::exchange(held_, std::nullopt));
            return;
        }
        switch (mutation_.wrong) {
            case Wrong::nothing:
            case Wrong::left_out:
                break;
            case Wrong::called_twice:
                fire(call);
                fire(call);
                break;
            case Wrong::too_late:  // after the next one on this task
                held_ = call;
                break;
            case Wrong::in_place: {
                HookCall other = call;
                other.event = mutation_.other;
                fire(other);
                break;
            }
        }
    }

  private:
    void fire(const HookCall& call) {
        TaskTimes& task = *call.task;
        switch (call.event) {
            case TaskEvent::Spawned:
                return worker_.spawned(task, call.spawn);
            case TaskEvent::Ready:
                return worker_.ready(task, call.wake, call.by);
            case TaskEvent::Running:
                return worker_.running(task);
            case TaskEvent::Yield:
                return worker_.yield(task);
            case TaskEvent::Sleep:
                return worker_.sleep(task, call.number);
            case TaskEvent::IoWait:
                return worker_.iowait(task, call.number);
            case TaskEvent::Join:
                return worker_.join(task, call.number);
            case TaskEvent::Wait:
                return worker_.wait(task, WaitReason::event, call.number);
            case TaskEvent::Throttled:
                return worker_.throttled(task, call.number);
            case TaskEvent::Done:
                return worker_.done(task);
            case TaskEvent::Failed:
                return worker_.failed(task, call.text);
            case TaskEvent::Cancelled:
                return worker_.cancelled(task, call.cancel, call.by);
        }
    }

    Worker& worker_;
    Mutation mutation_;
    std::optional<HookCall> held_;
};

/// One thread, virtual time. Its own state, not what the hooks left in TaskTimes, decides what it does.
class ToyRuntime : public Driver {
  public:
    explicit ToyRuntime(const Mutation& mutation = {}) : mutation_{mutation} {}

    Model model() const override {
        return {.can = {Can::yield, Can::fail, Can::spawn, Can::sleep, Can::event, Can::wake, Can::join, Can::io,
                        Can::timeout, Can::cancel, Can::catch_cancel, Can::quantum, Can::budget, Can::dependencies,
                        Can::destroy, Can::destroy_asleep, Can::groups, Can::priorities, Can::sites},
                .virtual_time = true};
    }

    TaskState state(std::size_t task) const override {
        return tasks_.at(task) == nullptr ? TaskState::None : tasks_[task]->state;
    }

    void run(Stage& stage) override {
        SchedulerTelemetry telemetry{"toy", {.clock = &stage.clock()}};
        const WorkerLease lease = telemetry.worker();
        Hooks hooks{*lease, mutation_};
        stage_ = &stage;
        telemetry_ = &telemetry;
        hooks_ = &hooks;
        ready_.clear();
        events_.clear();
        tasks_.clear();
        tasks_.resize(stage.program().tasks.size());
        for (const std::size_t task : stage.program().at_start())
            spawn(task, nullptr);
        if (stage.program().ending != Ending::not_run)
            while (turn(*lease)) {
            }
        for (const auto& task : tasks_)
            if (task != nullptr && !kEnded.has(task->state)) cancelled(*task, CancelCause::destroyed, 0);
    }

  private:
    static constexpr std::uint64_t kQuantumNs = 5'000'000;
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};

    struct Toy {
        std::size_t number = 0;
        std::size_t next = 0;  // the step
        TaskState state = TaskState::None;
        TaskTimes times{};
        std::uint64_t began_ns = 0;  // this run
        std::uint64_t deadline_ns = kNever;
        std::size_t awaits = 0;    // dependencies
        const Step* at = nullptr;  // where it is suspended
        bool woken = false;
        bool cancel_pending = false;
        std::uint64_t canceller = 0;
    };

    const Script& script(const Toy& task) const { return stage_->script(task.number); }
    std::uint64_t now_ns() { return stage_->clock().monotonic_ns(); }
    std::uint64_t tid_of(std::size_t task) const { return tasks_[task]->times.tid(); }
    std::uint64_t running_tid() const { return running_ == nullptr ? 0 : running_->times.tid(); }

    void hook(TaskEvent event, Toy& task, std::uint64_t number = 0) {
        hooks_->call({.event = event, .task = &task.times, .spawn = spawn_info(task), .number = number});
    }

    SpawnInfo spawn_info(const Toy& task) const {
        const Script& its = script(task);
        const std::uint16_t group = its.group.empty() ? std::uint16_t{0} : telemetry_->group(its.group);
        return {.name = stage_->name(task.number),
                .site = stage_->site(task.number),
                .priority = its.priority,
                .group = group,
                .parent = running_tid(),
                .waiting = task.awaits != 0};
    }

    void spawn(std::size_t number, const Step* /*by*/) {
        auto task = std::make_unique<Toy>();
        task->number = number;
        task->awaits = stage_->script(number).dependencies.size();
        hook(TaskEvent::Spawned, *task);
        task->state = task->awaits == 0 ? TaskState::Ready : TaskState::Waiting;
        if (task->awaits == 0) ready_.push_back(task.get());
        tasks_[number] = std::move(task);
    }

    void make_ready(Toy& task, WakeCause cause, std::uint64_t by) {
        hooks_->call(
            {.event = TaskEvent::Ready, .task = &task.times, .spawn = spawn_info(task), .wake = cause, .by = by});
        task.state = TaskState::Ready;
        task.deadline_ns = kNever;
        ready_.push_back(&task);
    }

    // ---- the loop ----

    /// One iteration. Returns false when nothing can run any more.
    bool turn(Worker& worker) {
        if (!ready_.empty()) {
            Toy& task = *ready_.front();
            ready_.pop_front();
            const Worker::Tick tick{worker, task.times};
            resume(task);
            return true;
        }
        if (poll_pipes()) return true;
        return stage_->program().ending != Ending::idle && pass_time();
    }

    bool poll_pipes() {
        bool found = false;
        for (const auto& task : tasks_) {
            if (task == nullptr || task->state != TaskState::Waiting || task->at == nullptr ||
                task->at->what != Do::read)
                continue;
            if (!readable(task->at->target)) continue;
            make_ready(*task, WakeCause::io, 0);
            found = true;
        }
        return found;
    }

    bool readable(std::size_t pipe) const {
        pollfd waits{.fd = stage_->readable_end(pipe), .events = POLLIN, .revents = 0};
        return ::poll(&waits, 1, 0) == 1;
    }

    bool pass_time() {
        Toy* first = nullptr;
        for (const auto& task : tasks_)
            if (task != nullptr && task->deadline_ns != kNever &&
                (first == nullptr || task->deadline_ns < first->deadline_ns))
                first = task.get();
        if (first == nullptr) return false;
        if (first->deadline_ns > now_ns()) stage_->clock().advance(first->deadline_ns - now_ns());
        make_ready(*first, first->state == TaskState::Throttled ? WakeCause::quota : WakeCause::timer, 0);
        return true;
    }

    void resume(Toy& task) {
        hook(TaskEvent::Running, task);
        task.state = TaskState::Running;
        task.began_ns = now_ns();
        running_ = &task;
        try {
            if (task.cancel_pending && !caught(task)) return cancelled(task, CancelCause::asked, task.canceller);
            while (task.next < script(task).steps.size()) {
                const Step& step = script(task).steps[task.next];
                if (stage_->act(step)) {
                    ++task.next;
                } else if (suspends(task, step)) {
                    running_ = nullptr;
                    return;
                }
            }
            end(task, TaskState::Finished, {.event = TaskEvent::Done});
        } catch (const std::exception& error) {
            end(task, TaskState::Failed, {.event = TaskEvent::Failed, .text = error.what()});
        }
    }

    bool caught(Toy& task) {
        task.cancel_pending = false;
        return task.at != nullptr && task.at->outcome == Outcome::caught;
    }

    // ---- the ends ----

    void cancelled(Toy& task, CancelCause cause, std::uint64_t by) {
        end(task, TaskState::Cancelled, {.event = TaskEvent::Cancelled, .cancel = cause, .by = by});
    }

    void end(Toy& task, TaskState state, HookCall call) {
        call.task = &task.times;
        call.spawn = spawn_info(task);
        hooks_->call(call);
        task.state = state;
        task.deadline_ns = kNever;
        running_ = nullptr;
        if (call.cancel == CancelCause::destroyed) return;
        for (const auto& other : tasks_) {
            if (other == nullptr || other->state != TaskState::Waiting) continue;
            if (other->at != nullptr && other->at->what == Do::join && other->at->target == task.number)
                make_ready(*other, WakeCause::join, task.times.tid());
            else if (other->at == nullptr)
                tell_dependent(*other, task);
        }
    }

    void tell_dependent(Toy& other, const Toy& task) {
        const std::vector<std::size_t>& of = script(other).dependencies;
        if (std::find(of.begin(), of.end(), task.number) == of.end()) return;
        if (task.state != TaskState::Finished)
            cancelled(other, CancelCause::dependency, task.times.tid());
        else if (--other.awaits == 0)
            make_ready(other, WakeCause::dependency, task.times.tid());
    }

    // ---- the steps ----

    /// Does a step. Returns whether the task is suspended, or has ended.
    bool suspends(Toy& task, const Step& step) {
        switch (step.what) {
            case Do::yield:
                return yields(task, step, task.next + 1);
            case Do::spin:
                return yields(task, step, task.next);
            case Do::until:
                if (!stage_->reached(step)) return yields(task, step, task.next);
                break;
            case Do::sleep:
                return suspend(task, step, TaskEvent::Sleep, TaskState::Sleeping,
                               static_cast<std::uint64_t>(step.time.count()), step.time);
            case Do::wait:
                if (events_[step.target]) break;
                return suspend(task, step, TaskEvent::Wait, TaskState::Waiting, step.target + 1, step.timeout);
            case Do::block:
                if (std::exchange(task.woken, false)) return yields(task, step, task.next + 1);
                return suspend(task, step, TaskEvent::Sleep, TaskState::Sleeping, 0, {});
            case Do::join:
                if (kEnded.has(state(step.target))) break;
                return suspend(task, step, TaskEvent::Join, TaskState::Waiting, tid_of(step.target), step.timeout);
            case Do::read:
                if (readable(step.target)) break;
                return suspend(task, step, TaskEvent::IoWait, TaskState::Waiting,
                               static_cast<std::uint64_t>(stage_->readable_end(step.target)), step.timeout);
            case Do::set:
                set(step.target);
                break;
            case Do::wake:
                wake(*tasks_[step.target]);
                break;
            case Do::spawn:
                spawn(step.target, &step);
                break;
            case Do::cancel:
                cancel(*tasks_[step.target]);
                break;
            case Do::burn:
            case Do::write:
            case Do::fail:
                break;
        }
        ++task.next;
        return false;
    }

    /// A request that found it running reaches it here.
    bool is_cancelled_here(Toy& task, const Step& step) {
        if (!task.cancel_pending || step.outcome == Outcome::caught) return false;
        cancelled(task, CancelCause::asked, task.canceller);
        return true;
    }

    bool yields(Toy& task, const Step& step, std::size_t next) {
        if (is_cancelled_here(task, step)) return true;
        task.next = next;
        task.at = &step;
        const std::uint64_t ran_ns = now_ns() - task.began_ns;
        const auto budget_ns = static_cast<std::uint64_t>(script(task).budget.count());
        if (budget_ns != 0 && ran_ns > budget_ns) {
            const auto park_ns = static_cast<std::uint64_t>(script(task).budget_period.count());
            hook(TaskEvent::Throttled, task, park_ns);
            task.state = TaskState::Throttled;
            task.deadline_ns = now_ns() + park_ns;
            return true;
        }
        hook(ran_ns > kQuantumNs ? TaskEvent::Throttled : TaskEvent::Yield, task);
        task.state = TaskState::Ready;
        ready_.push_back(&task);
        return true;
    }

    bool suspend(Toy& task, const Step& step, TaskEvent event, TaskState state, std::uint64_t number,
                 std::chrono::nanoseconds timeout) {
        if (is_cancelled_here(task, step)) return true;
        ++task.next;
        task.at = &step;
        hook(event, task, number);
        task.state = state;
        if (timeout.count() != 0) task.deadline_ns = now_ns() + static_cast<std::uint64_t>(timeout.count());
        return true;
    }

    void set(std::size_t event) {
        events_[event] = true;
        for (const auto& task : tasks_)
            if (task != nullptr && task->state == TaskState::Waiting && task->at != nullptr &&
                task->at->what == Do::wait && task->at->target == event)
                make_ready(*task, WakeCause::event, running_tid());
    }

    void wake(Toy& task) {
        const bool blocked = task.state == TaskState::Sleeping && task.at->what == Do::block;
        if (blocked)
            make_ready(task, WakeCause::event, running_tid());
        else
            task.woken = true;
    }

    void cancel(Toy& task) {
        if (kEnded.has(task.state) || task.cancel_pending) return;
        task.cancel_pending = true;
        task.canceller = running_tid();
        if (kSuspended.has(task.state)) make_ready(task, WakeCause::cancel, running_tid());
    }

    Mutation mutation_;
    Stage* stage_ = nullptr;  // these three: of the present run
    SchedulerTelemetry* telemetry_ = nullptr;
    Hooks* hooks_ = nullptr;
    std::vector<std::unique_ptr<Toy>> tasks_;
    std::deque<Toy*> ready_;
    std::map<std::size_t, bool> events_;
    Toy* running_ = nullptr;
};

}  // namespace tiffany::testing
