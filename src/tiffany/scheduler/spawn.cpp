// Tasks and functions come to a scheduler.

#include <algorithm>
#include <memory>
#include <stdexcept>
#include <utility>

#include "engine.hpp"

namespace tiffany::detail {

Operation& waits_for_dependencies() noexcept {
    static Operation operation{WaitsFor::dependencies};
    return operation;
}

namespace {

/// All that is allocated for them, here and at what they wait for, so that nothing is when they begin to wait.
void set_dependencies(TaskCore& task, std::vector<TaskHandle> on) {
    TaskExtras& extras = task.with_extras();
    extras.dependencies = Dependencies{on.size()};
    for (std::size_t i = 0; i < on.size(); ++i) {
        Dependency& dependency = extras.dependencies.all()[i];
        dependency.chain = &task;
        dependency.on = std::move(on[i]);
        dependency.on.core()->with_extras();
    }
}

}  // namespace

void Engine::admit() {
    using Reason = SpawnRefused::Reason;
    if (is_closed()) refuse(Reason::closed, " is closed");
    if (refusing_.load(std::memory_order_relaxed)) refuse(Reason::shutting_down, " shuts down");
    // never above the bound, not for a moment: who waits until none is alive would miss the last one's end
    std::size_t live = live_.load(std::memory_order_relaxed);
    while (live < max_live_)
        if (live_.compare_exchange_weak(live, live + 1, std::memory_order_relaxed)) return;
    refuse(Reason::too_many, " has " + std::to_string(max_live_) + " live tasks, its bound (max_live)");
}

void Engine::refuse(SpawnRefused::Reason reason, const std::string& why) const {
    throw SpawnRefused{reason, "cannot spawn a task: scheduler " + name_ + why};
}

TaskHandle Engine::resolve(const TaskRef& ref) const {
    if (!ref.handle()) {
        if (TaskHandle found = ref.tid() != 0 ? find_held(ref.tid()) : TaskHandle{}) return found;
        throw std::invalid_argument{ref.tid() == 0 ? "cannot depend on a task: the handle stands for no task"
                                                   : "cannot depend on task " + std::to_string(ref.tid()) +
                                                         ": nobody has a handle of such a task"};
    }
    if (&TaskStore::of(*ref.handle().core()) != store_)
        throw std::invalid_argument{"cannot depend on a task of another scheduler"};
    return ref.handle();
}

Loop& Engine::place_for(const SpawnOptions& options) {
    if (!many_) return *loops_.front();
    if (!options.worker) return next_in_turn(spawn_turn_);
    if (*options.worker < loops_.size()) return *loops_[*options.worker];
    throw std::out_of_range{"cannot spawn at worker " + std::to_string(*options.worker) + ": the pool has " +
                            std::to_string(loops_.size()) + ", from 0"};
}

Loop& Engine::next_in_turn(std::atomic<unsigned>& turn) noexcept {
    return *loops_[turn.fetch_add(1, std::memory_order_relaxed) % loops_.size()];
}

TaskHandle Engine::spawn(const SpawnOptions& options, Frame frame, Site site, KeepResult keep) {
    struct Visit {  // another thread's
        TaskStore* store;
        ~Visit() {
            if (store != nullptr) store->leave();
        }
    };
    Loop* const here = home();
    const Visit visit{here == nullptr && store_->come() != nullptr ? store_ : nullptr};
    if (frame.promise() == nullptr) throw std::invalid_argument{"cannot spawn a coroutine that was moved away"};
    if (options.budget.count() > 0 && options.budget_period.count() <= 0)
        throw std::invalid_argument{"cannot spawn a task with a budget per period of no length (budget_period)"};
    Loop& place = place_for(options);
    std::vector<TaskHandle> dependencies;
    dependencies.reserve(options.dependencies.size());
    for (const TaskRef& ref : options.dependencies)
        dependencies.push_back(resolve(ref));
    admit();
    struct Half {  // what is undone when something fails
        Engine& engine;
        TaskCore* task;
        bool whole = false;
        ~Half() {
            if (whole) return;
            if (task != nullptr) engine.store_->destroy(*task);
            engine.lock();
            engine.dismiss();
            engine.unlock();
            if (!engine.many_) engine.loops_.front()->rouse();
        }
    } half{*this, nullptr};
    half.task = &store_->make_task();
    TaskCore& task = *half.task;
    task.side = &place;
    task.pinned = options.pinned;
    if (keep != nullptr) task.with_extras().keep_result = keep;
    task.limited = options.quantum || options.budget.count() > 0;
    if (options.quantum) task.with_extras().quantum_ns = count_of(*options.quantum);
    if (options.budget.count() > 0)
        task.with_extras().budget = Budget{count_of(options.budget), count_of(options.budget_period), now_ns()};

    SpawnInfo info{};
    info.name = options.name;
    info.site = site;
    info.priority = options.priority;
    info.group = options.group;
    info.waiting = !dependencies.empty();
    if (info.waiting) set_dependencies(task, std::move(dependencies));
    task.leaf = frame.release();  // from here on nothing fails
    task.leaf->chain = &task;
    half.whole = true;
    hold(task);
    TaskHandle handle = TaskHandle::held(task);
    if (here == nullptr) {
        if (info.waiting) unseen_dependents_.fetch_add(1, std::memory_order_relaxed);
        life_hooks_here(telemetry_).spawned(task.life, info);  // first the hook, then publish
        store_->enter(task);
        place.inbox().push(task);
        if (!place.rouse()) wake_one();
        return handle;
    }
    info.parent = here->running() != nullptr ? here->running()->life.tid() : 0;
    if (!info.waiting) {
        here->hooks().spawned(task.life, info, here->called_for());
        store_->enter(task);
        place.push(task);
        return handle;
    }
    const Guard guard{*this};
    info.waiting = !std::ranges::all_of(task.extras()->dependencies.all(), [](const Dependency& dependency) {
        return dependency.on.core()->life.state() == TaskState::Finished;
    });
    here->hooks().spawned(task.life, info, here->called_for());
    store_->enter(task);
    if (info.waiting)
        wait_for_dependencies(task);
    else
        place.push(task);
    return handle;
}

void Engine::adopt(TaskCore& task) noexcept {
    task.waiting = nullptr;
    if (task.life.state() == TaskState::Waiting) {
        unseen_dependents_.fetch_sub(1, std::memory_order_relaxed);
        wait_for_dependencies(task);
    } else
        loop_of(task).push(task);
}

void Engine::wait_for_dependencies(TaskCore& task) noexcept {
    task.waiting = &waits_for_dependencies();
    std::uint64_t last = 0;
    for (Dependency& dependency : task.extras()->dependencies.all()) {
        TaskCore& other = *dependency.on.core();
        last = dependency.on.tid();
        if (!has_ended(other)) {
            other.extras()->dependents.add(dependency);
            ++task.extras()->dependencies_left;
        } else if (other.life.state() != TaskState::Finished) {
            end_unstarted(task, last, {});
            return;
        }
    }
    if (task.extras()->dependencies_left == 0) {
        make_ready(task, WakeCause::dependency, last);
    } else if (task.cancel_pending.load(std::memory_order_relaxed) != 0) {
        make_ready(task, WakeCause::cancel, task.canceller);  // asked before it was looked at
    }
}

void Engine::post(std::function<void()> function) {
    auto node = std::make_unique<Inbox::Function>();
    node->call = std::move(function);
    node->posted_at = now_on(*clock_);
    if (store_->come() == nullptr) return;
    Loop& place = next_in_turn(post_turn_);
    place.inbox().push(node.release());
    if (!place.rouse() && many_) wake_one();
    store_->leave();
}

}  // namespace tiffany::detail
