#include "engine.hpp"

#include <algorithm>
#include <stdexcept>
#include <string_view>
#include <utility>

namespace tiffany::detail {
namespace {

/// A loop that has tasks to run looks at its descriptors after so many runs.
constexpr unsigned kRunsPerPoll = 61;
constexpr std::uint64_t kLongRun = 100'000;
/// A worker that blocks is seen at least so often.
constexpr std::uint64_t kLongestPark = 1'000'000'000;

std::uint64_t count_of(std::chrono::nanoseconds time) {
    return time.count() <= 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

}  // namespace

Engine::Engine(Scheduler& scheduler, const SchedulerOptions& options)
    : scheduler_{&scheduler},
      telemetry_{options.name, TelemetryOptions{.metrics = options.metrics, .clock = options.clock}},
      worker_{telemetry_.worker()},
      clock_{&telemetry_.clock()},
      quantum_ns_{count_of(options.quantum)},
      clock_stands_{std::string_view{clock_->name()} == "virtual"},
      inbox_{std::make_shared<Inbox>(poller_, telemetry_)} {}

TaskHandle Engine::spawn(const SpawnOptions& options, Frame frame, Site site) {
    auto core = std::make_shared<TaskCore>();
    TaskCore& task = *core;
    task.engine = this;
    task.inbox = inbox_;
    for (const TaskHandle& dependency : options.dependencies) {
        if (!dependency || dependency.core()->engine != this)
            throw std::invalid_argument{"cannot depend on a task of another scheduler"};
        task.dependencies.push_back(dependency.core());
    }
    if (options.budget.count() > 0)
        task.budget = Budget{count_of(options.budget), count_of(options.budget_period), now_ns()};
    task.root = std::move(frame);
    task.leaf = task.root.promise();
    task.leaf->chain = &task;

    SpawnInfo info{};
    info.name = options.name;
    info.site = site;
    info.priority = options.priority;
    info.group = options.group;
    task.self = core;
    if (!inbox_->is_home()) {
        info.waiting = !task.dependencies.empty();  // they belong to the scheduler's thread, which will look at them
        if (!inbox_->give_spawned(core, info)) {
            task.self.reset();
            return {};
        }
        return TaskHandle{std::move(core)};
    }
    timers_.reserve(live_count_ + 1);
    info.parent = current_tid();
    info.waiting = std::any_of(task.dependencies.begin(), task.dependencies.end(),
                               [](const auto& dependency) { return dependency->life.state() != TaskState::Finished; });
    worker_->spawned(task.life, info);
    adopt(task);
    return TaskHandle{std::move(core)};
}

void Engine::link_live(TaskCore& task) noexcept {
    task.live_after = live_;
    if (live_ != nullptr) live_->live_before = &task;
    live_ = &task;
    ++live_count_;
}

void Engine::unlink_live(TaskCore& task) noexcept {
    (task.live_before != nullptr ? task.live_before->live_after : live_) = task.live_after;
    if (task.live_after != nullptr) task.live_after->live_before = task.live_before;
    task.live_before = task.live_after = nullptr;
    --live_count_;
}

void Engine::adopt(TaskCore& task) {
    link_live(task);
    timers_.reserve(live_count_);
    if (task.life.state() == TaskState::Ready) {
        task.dependencies.clear();
        ready_.push(task);
    } else {
        await_dependencies(task);
    }
}

void Engine::await_dependencies(TaskCore& task) {
    const auto dependencies = std::exchange(task.dependencies, {});
    task.waits_for = WaitsFor::dependencies;
    for (const auto& dependency : dependencies) {
        const TaskState state = dependency->life.state();
        if (state == TaskState::Failed || state == TaskState::Cancelled) {
            cancel_unstarted(task, CancelCause::dependency, dependency->life.tid());
            return;
        }
        if (state == TaskState::Finished) continue;
        dependency->dependents.push_back(task.self);
        ++task.dependencies_left;
    }
    if (task.dependencies_left == 0) make_ready(task, WakeCause::dependency, dependencies.back()->life.tid());
}

void Engine::run(bool until_idle) {
    until_idle = until_idle || clock_stands_;
    while (!closed_) {
        if (stop_.load(std::memory_order_relaxed)) {
            stop_.store(false, std::memory_order_relaxed);
            return;
        }
        if (inbox_->any()) take_inbox();
        expire_timers();
        if (runs_since_poll_ >= kRunsPerPoll) poll();
        if (TaskCore* const task = ready_.pop()) {
            run_task(*task);
        } else if (live_count_ == 0) {
            if (!inbox_->any()) return;
        } else if (!until_idle) {
            park();
        } else {
            poll();
            if (ready_.empty() && !inbox_->any()) return;
        }
    }
}

void Engine::stop() noexcept {
    stop_.store(true, std::memory_order_relaxed);
    inbox_->interrupt();
}

void Engine::take_inbox() {
    Inbox::Contents contents = inbox_->take();
    for (const auto& task : contents.spawned)
        adopt(*task);
    for (TaskCore* const task : contents.woken) {
        task->waits_for = WaitsFor::nothing;
        ready_.push(*task);
    }
    for (const auto& function : contents.functions)
        function();
}

void Engine::expire_timers() noexcept {
    if (timers_.empty()) return;
    const std::uint64_t now = now_ns();
    while (!timers_.empty() && timers_.first_deadline_ns() <= now) {
        TaskCore& task = timers_.first();
        const std::uint64_t late_ns = now - timers_.first_deadline_ns();
        const bool quota = task.waits_for == WaitsFor::quota;
        task.timed_out = !quota && task.waits_for != WaitsFor::sleep;
        make_ready(task, quota ? WakeCause::quota : WakeCause::timer, 0, late_ns);
    }
}

void Engine::poll() {
    runs_since_poll_ = 0;
    if (poller_.block(0)) report();
}

void Engine::park() {
    if (!inbox_->sleep()) return;
    std::uint64_t timeout_ns = kLongestPark;
    if (!timers_.empty()) {
        const std::uint64_t now = now_ns();
        const std::uint64_t deadline = timers_.first_deadline_ns();
        timeout_ns = std::min(timeout_ns, deadline > now ? deadline - now : 0);
    }
    worker_->park();
    const bool found = poller_.block(timeout_ns);
    worker_->unpark();
    inbox_->rise();
    runs_since_poll_ = 0;
    if (found) report();
}

void Engine::report() {
    poller_.report([this](TaskCore& task) { make_ready(task, WakeCause::io, 0); });
}

void Engine::run_task(TaskCore& task) noexcept {
    const LifeHooks::Tick tick{*worker_, task.life};
    worker_->running(task.life);
    run_began_ = clock_->ticks();
    if (!task.started && task.requested) {
        const CancelRequest request = *task.requested;  // there is no await yet where it could be thrown
        cancel_unstarted(task, request.cause, request.canceller);
        return;
    }
    task.started = true;
    task.run_charged = false;
    current_ = &task;
    do {
        task.go_on = false;
        task.leaf->self.resume();
    } while (task.go_on);
    const std::uint64_t run_ticks = clock_->ticks() - run_began_;
    if (task.ended) {
        end_run(task);
    } else if (task.budget.limited() && !task.run_charged) {
        task.budget.charge(clock_->to_ns(run_ticks));
    }
    current_ = nullptr;
    // descriptors are looked at more often when runs are long
    runs_since_poll_ += clock_->to_ns(run_ticks) > kLongRun ? kRunsPerPoll : 1;
}

}  // namespace tiffany::detail
