#include "expectation.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace tiffany::testing {
namespace {

/// Nine tenths: two clocks may differ in their scale.
std::uint64_t about(std::chrono::nanoseconds time) {
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(time.count()) / 10 * 9);
}

template <typename Enum>
std::uint64_t number(Enum value) {
    return static_cast<std::uint64_t>(value);
}

template <typename Enum>
Wanted is(std::string_view field, Enum value) {
    return {.field = field, .any_of = {number(value)}};
}
Wanted is_one_of(std::string_view field, std::vector<std::uint64_t> values) {
    return {.field = field, .any_of = std::move(values)};
}
Wanted at_least(std::string_view field, std::uint64_t value) {
    return {.field = field, .at_least = value};
}
Wanted between(std::string_view field, std::uint64_t least, std::uint64_t most) {
    return {.field = field, .at_least = least, .at_most = most};
}
Wanted says(std::string_view field, std::string text) {
    return {.field = field, .is_text = true, .text = std::move(text)};
}

Node one(TaskEvent event, std::vector<Wanted> fields) {
    return {{event, std::move(fields)}, {}};
}

Node choice(std::vector<Pattern> alternatives) {
    return {{}, std::move(alternatives)};
}

/// What a task is known to have waited for.
struct Waited {
    WaitKind kind = WaitKind::none;
    TaskState state = TaskState::Waiting;
    std::chrono::nanoseconds at_least{0};
};

class Generator {
  public:
    Generator(const Program& program, const Model& model, const Cast& cast, std::size_t task)
        : program_{program}, model_{model}, cast_{cast}, task_{task}, script_{program.tasks[task]} {}

    Pattern make() {
        if (begin())
            for (const Step& step : script_.steps)
                if (!add(step)) return std::move(pattern_);
        if (!ended_) end_run(TaskEvent::Done, {});
        return std::move(pattern_);
    }

  private:
    // ---- who did it ----

    std::vector<std::uint64_t> task_or_none(std::size_t task) const {
        std::vector<std::uint64_t> tids{cast_.tids[task]};
        if (!model_.names_wakers) tids.push_back(0);
        return tids;
    }

    /// The task that does that to this one, or to that event; 0 if it is the thread outside.
    std::vector<std::uint64_t> doer_of(Do what, std::size_t target) const {
        for (std::size_t i = 0; i < program_.tasks.size(); ++i)
            for (const Step& step : program_.tasks[i].steps)
                if (step.what == what && step.target == target) return task_or_none(i);
        return {0};
    }

    bool by_a_task(Do what, std::size_t target) const {
        for (const Script& script : program_.tasks)
            for (const Step& step : script.steps)
                if (step.what == what && step.target == target) return true;
        return false;
    }

    // ---- the events ----

    /// Spawned, and what comes before the first step. Returns whether that is reached.
    bool begin() {
        const bool waits = !script_.dependencies.empty();
        const TaskState state = waits ? TaskState::Waiting : TaskState::Ready;
        std::vector<Wanted> fields{is("state", state), says("name", script_.name)};
        if (model_.can.has(Can::groups) || script_.group.empty()) fields.push_back(is("group", cast_.groups[task_]));
        if (model_.can.has(Can::priorities)) fields.push_back(is("priority", script_.priority));
        if (model_.can.has(Can::sites)) fields.push_back(says("site", cast_.sites[task_]));
        fields.push_back(is_one_of("parent", by_a_task(Do::spawn, task_) ? parent() : std::vector<std::uint64_t>{0}));
        pattern_.push_back(one(TaskEvent::Spawned, std::move(fields)));
        if (program_.ending == Ending::not_run) {
            destroyed_from(state);
            return false;
        }
        if (!waits) {
            run({});
            return true;
        }
        if (script_.start == Outcome::cancelled) {
            add_cancelled({WaitKind::dependency});
            return false;
        }
        std::vector<std::uint64_t> dependencies;
        for (const std::size_t dependency : script_.dependencies) {
            dependencies.push_back(cast_.tids[dependency]);
            if (fails(program_.tasks[dependency])) {
                std::vector<std::uint64_t> who = task_or_none(dependency);
                pattern_.push_back(one(TaskEvent::Cancelled,
                                       {is("cause", CancelCause::dependency), is_one_of("canceller", std::move(who)),
                                        is("from_state", TaskState::Waiting), is("run_ns", 0)}));
                ended_ = true;
                return false;
            }
        }
        if (!model_.names_wakers) dependencies.push_back(0);
        ready(WakeCause::dependency, std::move(dependencies));
        run({WaitKind::dependency});
        return true;
    }

    /// The task whose step spawns this one. It is always told: Model::names_wakers is no excuse here.
    std::vector<std::uint64_t> parent() const {
        for (std::size_t i = 0; i < program_.tasks.size(); ++i)
            for (const Step& step : program_.tasks[i].steps)
                if (step.what == Do::spawn && step.target == task_) return {cast_.tids[i]};
        return {0};
    }

    static bool fails(const Script& script) {
        return std::any_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
            return step.what == Do::fail || step.outcome == Outcome::cancelled ||
                   step.outcome == Outcome::cancelled_before || step.outcome == Outcome::cancelled_over_budget;
        });
    }

    void ready(WakeCause cause, std::vector<std::uint64_t> wakers) {
        std::vector<Wanted> fields{is("cause", cause), is_one_of("waker", std::move(wakers))};
        if (cause != WakeCause::timer && cause != WakeCause::quota) fields.push_back(is("late_ns", 0));
        pattern_.push_back(one(TaskEvent::Ready, std::move(fields)));
    }

    static Node running(const Waited& waited) {
        std::vector<Wanted> fields{is("waited", waited.kind), at_least("ready_ns", 1)};
        if (waited.kind == WaitKind::none)
            fields.push_back(is("wait_ns", 0));
        else
            fields.push_back(at_least("wait_ns", about(waited.at_least)));
        return one(TaskEvent::Running, std::move(fields));
    }

    void run(const Waited& waited) {
        pattern_.push_back(running(waited));
        burnt_ = std::chrono::nanoseconds{0};
    }

    void end_run(TaskEvent event, std::vector<Wanted> fields) {
        fields.push_back(at_least("run_ns", about(burnt_)));
        pattern_.push_back(one(event, std::move(fields)));
    }

    void cancelled_running() {
        end_run(TaskEvent::Cancelled, {is("cause", cancel_cause()), is_one_of("canceller", canceller()),
                                       is("from_state", TaskState::Running)});
        ended_ = true;
    }

    /// 0 if no task asks for it.
    std::vector<std::uint64_t> canceller() const { return doer_of(Do::cancel, task_); }
    CancelCause cancel_cause() const {
        const bool by_the_runtime = program_.ending == Ending::shutdown && !by_a_task(Do::cancel, task_);
        return by_the_runtime ? CancelCause::shutdown : CancelCause::asked;
    }

    void destroyed_from(TaskState state) {
        pattern_.push_back(one(TaskEvent::Cancelled, {is("cause", CancelCause::destroyed), is("canceller", 0),
                                                      is("from_state", state), is("run_ns", 0)}));
        ended_ = true;
    }

    /// A yield as far as the clock decides how it is told: a run on a real clock may be past any quantum.
    Node yielded() {
        Node yield = one(TaskEvent::Yield, {at_least("run_ns", about(burnt_))});
        if (!model_.can.has(Can::quantum) || model_.virtual_time) return yield;
        Node throttled = one(TaskEvent::Throttled, {is("park_ns", 0), at_least("run_ns", about(burnt_))});
        return choice({Pattern{std::move(yield)}, Pattern{std::move(throttled)}});
    }

    /// What a task does that gives way until something is so.
    Node polls() const {
        const Node again = running({});
        Pattern sleeps{one(TaskEvent::Sleep, {}), one(TaskEvent::Ready, {is("cause", WakeCause::timer)}),
                       running({WaitKind::sleep})};
        Pattern yields{one(TaskEvent::Yield, {}), again};
        Pattern is_throttled{one(TaskEvent::Throttled, {is("park_ns", 0)}), again};
        Node polls = choice({std::move(yields), std::move(is_throttled), std::move(sleeps)});
        polls.repeats = true;
        return polls;
    }

    // ---- the steps ----

    /// Returns whether the next step is reached.
    bool add(const Step& step) {
        if (step.outcome == Outcome::cancelled_before) return add_cancelled_before();
        switch (step.what) {
            case Do::yield:
                return add_yield(step);
            case Do::spin:
                pattern_.push_back(polls());
                cancelled_running();
                return false;
            case Do::sleep:
                return add_sleep(step);
            case Do::wait:
                return wait(step, model_.reason, Do::set);
            case Do::lock:
                return wait(step, WaitReason::lock, Do::unlock);
            case Do::acquire:
                return wait(step, WaitReason::semaphore, Do::release);
            case Do::send:
                return wait(step, WaitReason::channel, Do::receive);
            case Do::receive:
                return wait(step, WaitReason::channel, Do::send);
            case Do::block:
                return add_block(step);
            case Do::join:
                return suspend(step, one(TaskEvent::Join, {is("target", cast_.tids[step.target])}), WakeCause::join,
                               task_or_none(step.target), {WaitKind::join});
            case Do::read:
                return suspend(step, one(TaskEvent::IoWait, {is("io", cast_.fds[step.target])}), WakeCause::io, {0},
                               {WaitKind::iowait});
            case Do::until:
                pattern_.push_back(polls());
                return true;
            case Do::burn:
                burnt_ += step.time;
                return true;
            case Do::fail:
                end_run(TaskEvent::Failed, {says("error", step.text)});
                ended_ = true;
                return false;
            case Do::set:
            case Do::unlock:
            case Do::release:
            case Do::wake:
            case Do::write:
            case Do::spawn:
            case Do::cancel:
                return true;  // told by the other task's hooks
        }
        return true;
    }

    bool add_sleep(const Step& step) {
        const auto time = static_cast<std::uint64_t>(step.time.count());
        if (model_.exact_sleeps)
            return suspend(step, one(TaskEvent::Sleep, {is("dur_ns", time)}), WakeCause::timer, {0},
                           {WaitKind::sleep, TaskState::Sleeping, step.time});
        return suspend(step, one(TaskEvent::Sleep, {between("dur_ns", 1, time)}), WakeCause::timer, {0},
                       {WaitKind::sleep, TaskState::Sleeping});
    }

    bool add_yield(const Step& step) {
        if (step.outcome == Outcome::over_budget) {
            end_run(TaskEvent::Throttled, {at_least("park_ns", 1)});
            ready(WakeCause::quota, {0});
            run({WaitKind::throttled});
            return true;
        }
        if (step.outcome == Outcome::cancelled_over_budget) {
            end_run(TaskEvent::Throttled, {at_least("park_ns", 1)});
            add_cancelled({WaitKind::throttled, TaskState::Throttled});
            return false;
        }
        if (step.outcome == Outcome::over_quantum)
            end_run(TaskEvent::Throttled, {is("park_ns", 0)});
        else
            pattern_.push_back(yielded());
        run({});
        return true;
    }

    /// @param what_wakes  the step of another task that ends the wait
    bool wait(const Step& step, WaitReason reason, Do what_wakes) {
        return suspend(step, one(TaskEvent::Wait, {is("reason", reason)}), WakeCause::event,
                       doer_of(what_wakes, step.target), {WaitKind::wait});
    }

    bool add_block(const Step& step) {
        if (step.outcome == Outcome::woken_before) {
            pattern_.push_back(yielded());
            run({});
            return true;
        }
        const WakeCause cause = by_a_task(Do::wake, task_) ? WakeCause::event : WakeCause::external;
        if (model_.block == TaskEvent::Wait)
            return suspend(step, one(TaskEvent::Wait, {}), cause, doer_of(Do::wake, task_), {WaitKind::wait});
        return suspend(step, one(TaskEvent::Sleep, {is("dur_ns", 0)}), cause, doer_of(Do::wake, task_),
                       {WaitKind::sleep, TaskState::Sleeping});
    }

    bool suspend(const Step& step, Node event, WakeCause cause, std::vector<std::uint64_t> wakers,
                 const Waited& waited) {
        if (step.outcome == Outcome::at_once) return true;
        event.one.fields.push_back(at_least("run_ns", about(burnt_)));
        pattern_.push_back(std::move(event));
        switch (step.outcome) {
            case Outcome::cancelled:
                add_cancelled(waited);
                return false;
            case Outcome::destroyed:
                destroyed_from(waited.state);
                return false;
            case Outcome::caught:
                ready(WakeCause::cancel, canceller());
                run({waited.kind, waited.state});
                return true;
            case Outcome::timed_out:
                ready(WakeCause::timer, {0});
                run({waited.kind, waited.state, step.timeout});
                return true;
            default:
                ready(cause, std::move(wakers));
                run(waited);
                return true;
        }
    }

    /// Resumed, so that the cancellation is thrown; or destroyed where it is.
    void add_cancelled(const Waited& waited) {
        Pattern before = std::move(pattern_);
        pattern_.clear();
        ready(WakeCause::cancel, canceller());
        run({waited.kind, waited.state});
        cancelled_running();
        Pattern resumed = std::move(pattern_);
        Pattern in_place{one(TaskEvent::Cancelled, {is("cause", cancel_cause()), is_one_of("canceller", canceller()),
                                                    is("from_state", waited.state), is("run_ns", 0)})};
        pattern_ = std::move(before);
        pattern_.push_back(choice({std::move(resumed), std::move(in_place)}));
    }

    /// Thrown instead of the suspension, or after it.
    bool add_cancelled_before() {
        pattern_.push_back(choice({Pattern{}, Pattern{yielded(), running({})}}));
        cancelled_running();
        return false;
    }

    const Program& program_;
    const Model& model_;
    const Cast& cast_;
    std::size_t task_;
    const Script& script_;
    Pattern pattern_;
    std::chrono::nanoseconds burnt_{0};  // in the run that has not ended yet
    bool ended_ = false;
};

/// Whether a pattern may begin with that event. An empty one begins with anything, so it is a choice's last resort.
bool begins_with(const Pattern& pattern, TaskEvent event) {
    if (pattern.empty()) return false;
    const Node& first = pattern.front();
    if (first.alternatives.empty()) return first.one.event == event;
    return std::any_of(first.alternatives.begin(), first.alternatives.end(),
                       [&](const Pattern& alternative) { return begins_with(alternative, event); });
}

void append(const Pattern& pattern, const std::vector<TaskEvent>& found, std::vector<Expected>& out);

/// Appends the alternative that fits what was found here. Returns false if none does.
bool append_fitting(const Node& node, const std::vector<TaskEvent>& found, std::vector<Expected>& out) {
    if (out.size() >= found.size()) return false;
    for (const Pattern& alternative : node.alternatives) {
        if (!begins_with(alternative, found[out.size()])) continue;
        append(alternative, found, out);
        return true;
    }
    return false;
}

void append(const Pattern& pattern, const std::vector<TaskEvent>& found, std::vector<Expected>& out) {
    for (const Node& node : pattern) {
        if (node.alternatives.empty()) {
            out.push_back(node.one);
        } else if (node.repeats) {
            // what a task did last is no poll: after one it does more
            while (out.size() + 1 < found.size() && append_fitting(node, found, out)) {
            }
        } else if (!append_fitting(node, found, out)) {
            append(node.alternatives.front(), found, out);
        }
    }
}

}  // namespace

Pattern pattern_of(const Program& program, const Model& model, const Cast& cast, std::size_t task) {
    return Generator{program, model, cast, task}.make();
}

std::vector<Expected> linear(const Pattern& pattern, const std::vector<TaskEvent>& found) {
    std::vector<Expected> sequence;
    append(pattern, found, sequence);
    return sequence;
}

}  // namespace tiffany::testing
