#pragma once
/// A small runtime that can do all that programs ask of one thread, and that can be made to call one hook wrongly, or
/// to miss what is to be done around them: so it is seen that the suite notices.

#include <poll.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <ostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <tiffany/telemetry/hooks.hpp>
#include <tiffany/testing/driver.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

enum class Wrong : std::uint8_t { nothing, left_out, called_twice, too_late, in_place, other_number };

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
        case Wrong::other_number:
            return hook + "WithAnotherNumber";
    }
    return "Nothing";
}
inline void PrintTo(const Mutation& mutation, std::ostream* out) {
    *out << name_of(mutation);
}

/// What is wrong beside the transitions.
enum class Slip : std::uint8_t {
    nothing,
    tick_left_out,
    tick_twice,       ///< one in the other
    tick_not_kept,    ///< `Worker::Tick{worker, task};`, which ends at once
    tick_ends_early,  ///< before the run does
    park_left_out,    ///< and unpark called
    park_twice,
    unpark_left_out,
    parks_swapped,  ///< unpark() before the thread blocks, park() after it
    lease_kept,     ///< the worker is not given back
    group_not_registered,
};

inline std::string name_of(Slip slip) {
    constexpr std::array kNames = {"Nothing",       "TickLeftOut", "TickTwice",         "TickNotKept",
                                   "TickEndsEarly", "ParkLeftOut", "ParkTwice",         "UnparkLeftOut",
                                   "ParksSwapped",  "LeaseKept",   "GroupNotRegistered"};
    return kNames.at(static_cast<std::size_t>(slip));
}

/// What a hook is called with.
struct HookCall {
    TaskEvent event = TaskEvent::Spawned;
    TaskTimes* task = nullptr;
    SpawnInfo spawn = {};
    WakeCause wake = WakeCause::timer;
    CancelCause cancel = CancelCause::asked;
    std::uint64_t by = 0;      // waker, canceller
    std::uint64_t number = 0;  // dur_ns, io, target, resource, park_ns, late_ns
    WaitReason reason = WaitReason::event;
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
            case Wrong::other_number: {
                HookCall other = call;
                ++other.number;
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
                return worker_.ready(task, call.wake, call.by, call.number);
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
                return worker_.wait(task, call.reason, call.number);
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

/// Which clock it has.
enum class Time : std::uint8_t { is_virtual, is_real };

/// One thread. Its own state, not what the hooks left in TaskTimes, decides what it does.
class ToyRuntime : public Driver {
  public:
    explicit ToyRuntime(const Mutation& mutation = {}) : mutation_{mutation} {}
    explicit ToyRuntime(Time time, Slip slip = Slip::nothing) : slip_{slip}, is_virtual_{time == Time::is_virtual} {}

    Model model() const override {
        return {.can = {Can::yield,  Can::fail,       Can::spawn,        Can::sleep,        Can::event,
                        Can::lock,   Can::semaphore,  Can::channel,      Can::wake,         Can::join,
                        Can::io,     Can::timeout,    Can::cancel,       Can::catch_cancel, Can::quantum,
                        Can::budget, Can::shutdown,   Can::dependencies, Can::destroy,      Can::destroy_asleep,
                        Can::groups, Can::priorities, Can::sites},
                .virtual_time = is_virtual_};
    }

    TaskState state(std::size_t task) const override {
        return tasks_.at(task) == nullptr ? TaskState::None : tasks_[task]->state;
    }

    void run(Stage& stage) override {
        telemetry_.emplace("toy", TelemetryOptions{.clock = is_virtual_ ? &stage.clock() : nullptr});
        lease_ = telemetry_->worker();
        Hooks hooks{*lease_, mutation_};
        stage_ = &stage;
        hooks_ = &hooks;
        ready_.clear();
        events_.clear();
        locked_.clear();
        counts_.clear();
        tasks_.clear();
        tasks_.resize(stage.program().tasks.size());
        may_pass_time_ = stage.program().ending == Ending::all_ended;
        for (const std::size_t task : stage.program().at_start())
            spawn(task);
        if (stage.program().ending != Ending::not_run) turn_until_idle();
        if (stage.program().ending == Ending::shutdown) {
            for (const auto& task : tasks_)
                if (task != nullptr) cancel(*task, CancelCause::shutdown);
            may_pass_time_ = true;
            turn_until_idle();
        }
        for (const auto& task : tasks_)
            if (task != nullptr && !kEnded.has(task->state)) cancelled(*task, CancelCause::destroyed, 0);
        if (slip_ == Slip::lease_kept) return;  // until the next run
        lease_ = {};
        telemetry_.reset();
    }

  private:
    static constexpr std::uint64_t kQuantumNs = 5'000'000;
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};
    static constexpr std::uint64_t kLateNs = 300;  // how long after a deadline it wakes, on a virtual clock
    static constexpr std::size_t kChannelRoom = 1;

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
        CancelCause cause = CancelCause::asked;
    };

    const Script& script(const Toy& task) const { return stage_->script(task.number); }
    std::uint64_t now_ns() const { return telemetry_->clock().monotonic_ns(); }
    std::uint64_t tid_of(std::size_t task) const { return tasks_[task]->times.tid(); }
    std::uint64_t running_tid() const { return running_ == nullptr ? 0 : running_->times.tid(); }

    void hook(TaskEvent event, Toy& task, std::uint64_t number = 0) {
        hooks_->call({.event = event, .task = &task.times, .spawn = spawn_info(task), .number = number});
    }

    SpawnInfo spawn_info(const Toy& task) {
        const Script& its = script(task);
        const bool by_default = its.group.empty();
        const bool registers = !by_default && slip_ != Slip::group_not_registered;
        const std::uint16_t group = registers ? telemetry_->group(its.group) : by_default ? 0 : 1;
        return {.name = stage_->name(task.number),
                .site = stage_->site(task.number),
                .priority = its.priority,
                .group = group,
                .parent = running_tid(),
                .waiting = task.awaits != 0};
    }

    void spawn(std::size_t number) {
        auto task = std::make_unique<Toy>();
        task->number = number;
        task->awaits = stage_->script(number).dependencies.size();
        hook(TaskEvent::Spawned, *task);
        task->state = task->awaits == 0 ? TaskState::Ready : TaskState::Waiting;
        if (task->awaits == 0) ready_.push_back(task.get());
        tasks_[number] = std::move(task);
    }

    void make_ready(Toy& task, WakeCause cause, std::uint64_t by, std::uint64_t late_ns = 0) {
        hooks_->call({.event = TaskEvent::Ready,
                      .task = &task.times,
                      .spawn = spawn_info(task),
                      .wake = cause,
                      .by = by,
                      .number = late_ns});
        task.state = TaskState::Ready;
        task.deadline_ns = kNever;
        ready_.push_back(&task);
    }

    // ---- the loop ----

    void turn_until_idle() {
        while (turn()) {
        }
    }

    /// One iteration. Returns false when nothing can run any more.
    bool turn() {
        if (!ready_.empty()) {
            Toy& task = *ready_.front();
            ready_.pop_front();
            run_in_tick(task);
            return true;
        }
        if (poll_pipes()) return true;
        return may_pass_time_ && pass_time();
    }

    void run_in_tick(Toy& task) {
        if (slip_ == Slip::tick_left_out) return resume(task);
        std::optional<Worker::Tick> tick{std::in_place, *lease_, task.times};
        std::optional<Worker::Tick> again;
        if (slip_ == Slip::tick_twice) again.emplace(*lease_, task.times);
        if (slip_ == Slip::tick_not_kept) tick.reset();
        tick_ = &tick;
        resume(task);
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
        wait_until(first->deadline_ns);
        make_ready(*first, first->state == TaskState::Throttled ? WakeCause::quota : WakeCause::timer, 0,
                   now_ns() - first->deadline_ns);
        return true;
    }

    /// Time is over when this returns.
    void wait_until(std::uint64_t deadline_ns) {
        const std::uint64_t now = now_ns();
        if (is_virtual_) {
            if (deadline_ns + kLateNs > now) stage_->clock().advance(deadline_ns + kLateNs - now);
            return;
        }
        if (deadline_ns <= now) return;
        if (slip_ == Slip::parks_swapped) lease_->unpark();
        if (slip_ != Slip::park_left_out && slip_ != Slip::parks_swapped) lease_->park();
        if (slip_ == Slip::park_twice) lease_->park();
        std::this_thread::sleep_for(std::chrono::nanoseconds{deadline_ns - now});
        if (slip_ == Slip::parks_swapped) lease_->park();
        if (slip_ != Slip::unpark_left_out && slip_ != Slip::parks_swapped) lease_->unpark();
    }

    void resume(Toy& task) {
        hook(TaskEvent::Running, task);
        if (slip_ == Slip::tick_ends_early) tick_->reset();
        task.state = TaskState::Running;
        task.began_ns = now_ns();
        running_ = &task;
        try {
            if (task.cancel_pending && !caught(task)) return cancelled(task, task.cause, task.canceller);
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
                return wait(task, step, WaitReason::event);
            case Do::lock:
                if (!std::exchange(locked_[step.target], true)) break;
                return wait(task, step, WaitReason::lock);
            case Do::unlock:
                if (!wake_one(Do::lock, step.target)) locked_[step.target] = false;
                break;
            case Do::acquire:
                if (take_one(Do::acquire, step.target)) break;
                return wait(task, step, WaitReason::semaphore);
            case Do::release:
                if (!wake_one(Do::acquire, step.target)) ++counts_[{Do::acquire, step.target}];
                break;
            case Do::receive:
                if (take_one(Do::receive, step.target)) {
                    if (wake_one(Do::send, step.target)) ++counts_[{Do::receive, step.target}];
                    break;
                }
                return wait(task, step, WaitReason::channel);
            case Do::send:
                if (wake_one(Do::receive, step.target)) break;
                if (counts_[{Do::receive, step.target}] == kChannelRoom) return wait(task, step, WaitReason::channel);
                ++counts_[{Do::receive, step.target}];
                break;
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
                spawn(step.target);
                break;
            case Do::cancel:
                cancel(*tasks_[step.target], CancelCause::asked);
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
        cancelled(task, task.cause, task.canceller);
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

    /// For one thing of that kind: an id that no thing of another kind has.
    bool wait(Toy& task, const Step& step, WaitReason reason) {
        const std::uint64_t resource = 1'000 * (static_cast<std::uint64_t>(reason) + 1) + step.target;
        return suspend(task, step, TaskEvent::Wait, TaskState::Waiting, resource, step.timeout, reason);
    }

    bool suspend(Toy& task, const Step& step, TaskEvent event, TaskState state, std::uint64_t number,
                 std::chrono::nanoseconds timeout, WaitReason reason = WaitReason::event) {
        if (is_cancelled_here(task, step)) return true;
        ++task.next;
        task.at = &step;
        hooks_->call(
            {.event = event, .task = &task.times, .spawn = spawn_info(task), .number = number, .reason = reason});
        task.state = state;
        if (timeout.count() != 0) task.deadline_ns = now_ns() + static_cast<std::uint64_t>(timeout.count());
        return true;
    }

    static bool waits_for(const Toy& task, Do what, std::size_t target) {
        return task.state == TaskState::Waiting && task.at != nullptr && task.at->what == what &&
               task.at->target == target;
    }

    void set(std::size_t event) {
        events_[event] = true;
        while (wake_one(Do::wait, event)) {
        }
    }

    /// One of those that wait there by such a step. Returns false if there is none.
    bool wake_one(Do what, std::size_t target) {
        for (const auto& task : tasks_) {
            if (task == nullptr || !waits_for(*task, what, target)) continue;
            make_ready(*task, WakeCause::event, running_tid());
            return true;
        }
        return false;
    }

    bool take_one(Do what, std::size_t target) {
        std::size_t& there = counts_[{what, target}];
        if (there == 0) return false;
        --there;
        return true;
    }

    void wake(Toy& task) {
        const bool blocked = task.state == TaskState::Sleeping && task.at->what == Do::block;
        if (blocked)
            make_ready(task, WakeCause::event, running_tid());
        else
            task.woken = true;
    }

    void cancel(Toy& task, CancelCause cause) {
        if (kEnded.has(task.state) || task.cancel_pending) return;
        task.cancel_pending = true;
        task.canceller = running_tid();
        task.cause = cause;
        if (kSuspended.has(task.state)) make_ready(task, WakeCause::cancel, running_tid());
    }

    Mutation mutation_;
    Slip slip_ = Slip::nothing;
    bool is_virtual_ = true;
    std::optional<SchedulerTelemetry> telemetry_;
    WorkerLease lease_;
    Stage* stage_ = nullptr;  // these two: of the present run
    Hooks* hooks_ = nullptr;
    std::optional<Worker::Tick>* tick_ = nullptr;  // of the present turn
    bool may_pass_time_ = true;
    std::vector<std::unique_ptr<Toy>> tasks_;
    std::deque<Toy*> ready_;
    std::map<std::size_t, bool> events_;
    std::map<std::size_t, bool> locked_;
    std::map<std::pair<Do, std::size_t>, std::size_t> counts_;  // what can be taken: acquired, received
    Toy* running_ = nullptr;
};

}  // namespace tiffany::testing
