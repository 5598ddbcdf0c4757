#include "engine.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <unordered_set>
#include <utility>

namespace tiffany::detail {

std::uint64_t later(std::uint64_t now_ns, std::uint64_t by_ns) noexcept {
    return by_ns > std::numeric_limits<std::uint64_t>::max() - now_ns ? std::numeric_limits<std::uint64_t>::max()
                                                                      : now_ns + by_ns;
}

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

Engine::Engine(SchedulerBase& face, const SchedulerOptions& options, unsigned loops)
    : face_{face},
      telemetry_{options.name, TelemetryOptions{.metrics = options.metrics, .clock = options.clock}},
      clock_{options.clock != nullptr ? options.clock : &Clock::system()},
      quantum_ns_{count_of(options.quantum)},
      max_live_{options.max_live},
      name_{options.name},
      many_{loops != 0},
      store_{TaskStore::make(*this)} {
    try {
        for (std::size_t i = 0; i < std::max(1u, loops); ++i)
            loops_.push_back(std::make_unique<Loop>(*this, i));
    } catch (...) {
        store_->drop();
        throw;
    }
    telemetry_.list_tasks_by(store_);
}

Engine::~Engine() {
    close();
    store_->drop();
}

// ---- who is here ----

Loop* Engine::home() noexcept {
    Loop* const loop = Loop::current();
    if (loop != nullptr && &loop->engine() == this) return loop;
    return !many_ && std::this_thread::get_id() == home_ && !is_closed() ? loops_.front().get() : nullptr;
}

void Engine::refuse_within(const char* what) const {
    const auto refuse = [&](const char* why) {
        throw std::logic_error{std::string{"cannot "} + what + " scheduler " + name_ + ": " + why};
    };
    const std::thread::id driver = driver_.load(std::memory_order_relaxed);
    if (driver != std::thread::id{} && driver != std::this_thread::get_id()) refuse("it runs, on another thread");
    const Loop* const loop = Loop::current();
    if (loop != nullptr && &loop->engine() == this && loop->running() != nullptr)
        refuse("the call comes from within one of its tasks");
}

void Engine::refuse_own_threads(const char* what) const {
    const Loop* const loop = Loop::current();
    if (loop != nullptr && &loop->engine() == this)
        throw std::logic_error{std::string{"cannot "} + what + " scheduler " + name_ +
                               ": the call comes from one of its own threads"};
}

void Engine::begin_driving() {
    const std::thread::id here = std::this_thread::get_id();
    std::thread::id driver;
    // acquire: what was done by the thread that ran it before is seen
    if (driver_.compare_exchange_strong(driver, here, std::memory_order_acquire, std::memory_order_relaxed)) return;
    throw std::logic_error{"cannot run scheduler " + name_ + ": it runs already, " +
                           (driver == here ? "and the call comes from within" : "on another thread")};
}

std::uint64_t Engine::current_tid() noexcept {
    const Loop* const loop = home();
    return loop == nullptr || loop->running() == nullptr ? 0 : loop->running()->life.tid();
}

// ---- tasks come ----

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

void Engine::dismiss() noexcept {
    if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1 && many_) changed_.notify_all();
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

// ---- they are woken, and asked to end ----

void Engine::make_ready(TaskCore& task, WakeCause cause, std::uint64_t by, std::uint64_t late_ns, Stamp at) noexcept {
    loop_of(task).detach(task);
    nothing_to_come_ = false;
    if (is_closed()) return;  // it ends where it is
    if (const Loop* const here = home(); here != nullptr && !at.known()) at = here->called_for();
    with_hooks([&](LifeHooks& hooks) { hooks.ready(task.life, cause, by, late_ns, at); });
    loop_of(task).push(task);
}

bool Engine::cancel(TaskCore& task, CancelCause cause) noexcept {
    if (has_ended(task) || task.cancel_pending.load(std::memory_order_acquire) != 0) return false;
    task.canceller = current_tid();
    task.cancel_pending.store(static_cast<std::uint8_t>(1 + static_cast<unsigned>(cause)), std::memory_order_release);
    if (task.waiting == nullptr) return true;  // it is Ready, or it runs
    if (task.waiting->waits_for == WaitsFor::wake) {
        auto expected = WakeState::asleep;
        // else another thread woke it just now, and it is Ready
        if (!task.wake.compare_exchange_strong(expected, WakeState::idle, std::memory_order_acq_rel)) return true;
    }
    make_ready(task, WakeCause::cancel, task.canceller);
    return true;
}

bool Engine::cancel(std::uint64_t tid) {
    if (home() == nullptr) return find(tid).cancel();
    const Guard guard{*this};
    TaskCore* const task = store_->alive(tid);  // not a handle: a join by this number would take it for somebody's
    return task != nullptr && cancel(*task, CancelCause::asked);
}

void Engine::cancel_all() {
    const std::thread::id driver = driver_.load(std::memory_order_relaxed);
    if (driver != std::thread::id{} && driver != std::this_thread::get_id())
        throw std::logic_error{"cannot cancel all tasks of scheduler " + name_ + ": another thread runs it"};
    const Guard guard{*this};
    for (TaskCore* const task : store_->all_alive())
        cancel(*task, CancelCause::shutdown);
}

// ---- they end ----

void Engine::tell_end(TaskCore& task, Stamp at, bool frame_is_gone) noexcept {
    task.over.store(true, std::memory_order_release);
    to_tell_.push(task);
    if (frame_is_gone) dismiss();
    if (std::exchange(telling_, true)) return;
    while (to_tell_.head != nullptr) {
        TaskCore& ended = to_tell_.pop();
        const std::uint64_t tid = ended.life.tid();
        while (!ended.joiners.empty()) {
            TaskCore& joiner = task_of(*ended.joiners.front()->chain);
            make_ready(joiner, WakeCause::join, tid, 0, at);
        }
        if (TaskExtras* const extras = ended.extras()) {
            const bool finished = ended.life.state() == TaskState::Finished;
            while (!extras->dependents.empty()) {
                TaskCore& dependent = task_of(*extras->dependents.front()->chain);
                WaitList::remove(*extras->dependents.front());
                if (dependent.waiting != &waits_for_dependencies()) continue;  // it was cancelled meanwhile
                if (!finished)
                    end_unstarted(dependent, tid, at);
                else if (--dependent.extras()->dependencies_left == 0)
                    make_ready(dependent, WakeCause::dependency, tid, 0, at);
            }
            for (Dependency& dependency : extras->dependencies.all())
                WaitList::remove(dependency);
        }
        told_.push(ended);
    }
    telling_ = false;
}

/// A dependency did not finish well: cancelled where it is, without having begun.
void Engine::end_unstarted(TaskCore& task, std::uint64_t canceller, Stamp at) noexcept {
    task.waiting = nullptr;
    with_hooks([&](LifeHooks& hooks) { hooks.cancelled(task.life, CancelCause::dependency, canceller, at); });
    tell_end(task, at, false);
}

void Engine::unlock_and_destroy() noexcept {
    if (told_.head == nullptr) {
        unlock();
        return;
    }
    TaskQueue ended = std::exchange(told_, {});
    unlock();
    std::size_t frames = 0;
    while (ended.head != nullptr) {
        TaskCore& task = ended.pop();
        if (task.leaf != nullptr) {  // it had not begun
            Frame::destroy_from(std::exchange(task.leaf, nullptr));
            ++frames;
        }
        if (task.extras() != nullptr) task.extras()->dependencies.drop();
        TaskStore::give_up(task, TaskCore::kSchedulersHold);
    }
    if (frames == 0) return;
    lock();
    for (; frames != 0; --frames)
        dismiss();
    unlock();
}

void Engine::close() noexcept {
    if (closed_.exchange(true)) return;
    store_->close();
    const std::vector<TaskCore*> tasks = store_->all_alive();
    for (const auto& loop : loops_) {
        loop->inbox().take_tasks();  // they are among the others
        loop->forget_ready();
    }
    auto&& hooks = life_hooks_here(telemetry_);  // a pool's threads have given theirs back
    for (auto task = tasks.rbegin(); task != tasks.rend();
         ++task) {  // the newest first: it may use what older ones own
        TaskCore& core = **task;
        loop_of(core).detach(core);
        hooks.cancelled(core.life, CancelCause::destroyed);
        core.over.store(true, std::memory_order_release);
        core.joiners.clear();
        lock();
        dismiss();
        unlock();
        Frame::destroy_from(std::exchange(core.leaf, nullptr));
    }
    for (const TaskCore* const task : tasks)
        if (TaskExtras* const extras = task->extras()) extras->dependents.clear();
    for (const TaskCore* const task : tasks)
        if (TaskExtras* const extras = task->extras()) extras->dependencies.drop();
    for (TaskCore* const task : tasks)
        TaskStore::give_up(*task, TaskCore::kSchedulersHold);
    if (!many_) loops_.front()->give_worker_back();
    changed_.notify_all();
}

// ---- joins that would never end ----

std::string Engine::cycle_through(const TaskCore& joiner, const TaskCore& target) const {
    const TaskExtras* const extras = joiner.extras();
    const bool waited_for = !joiner.joiners.empty() || (extras != nullptr && !extras->dependents.empty());
    if (!waited_for && &joiner != &target && unseen_dependents_.load(std::memory_order_relaxed) == 0) return {};
    // depth first, from the target along what each waits for; a wait that a time ends is no part of a cycle
    struct Step {
        const TaskCore* task;
        std::size_t next = 0;
    };
    const auto waits_on = [](const TaskCore& task, std::size_t which) -> const TaskCore* {
        if (task.waiting != nullptr && task.waiting->waits_for == WaitsFor::join) {
            const auto& operation = static_cast<const JoinOperation&>(*task.waiting);
            return which == 0 && operation.waits_for_ever ? operation.target.core() : nullptr;
        }
        // or another thread spawned it, and its loop has not come to it yet
        const bool has_dependencies = task.waiting == &waits_for_dependencies() ||
                                      (task.waiting == nullptr && task.life.state() == TaskState::Waiting);
        if (!has_dependencies || which >= task.extras()->dependencies.all().size()) return nullptr;
        return task.extras()->dependencies.all()[which].on.core();
    };
    std::vector<Step> path{{&target}};
    std::unordered_set<const TaskCore*> seen;  // those have been followed
    while (!path.empty() && path.back().task != &joiner) {
        Step& last = path.back();
        const TaskCore* const next = waits_on(*last.task, last.next++);
        if (next == nullptr) {
            path.pop_back();
        } else if (seen.insert(next).second) {
            path.push_back({next});
        }
    }
    if (path.empty()) return {};
    const auto name = [](const TaskCore& task) {
        return std::string{task.life.name()} + " (" + std::to_string(task.life.tid()) + ")";
    };
    std::string cycle = name(joiner);
    for (const Step& step : path)
        cycle += " -> " + name(*step.task);
    return cycle;
}

// ---- finding them ----

TaskHandle Engine::find(std::uint64_t tid) const noexcept {
    TaskCore* const task = store_->find(tid);
    return task != nullptr ? TaskHandle::held(*task) : TaskHandle{};
}

TaskHandle Engine::find_held(std::uint64_t tid) const noexcept {
    TaskCore* const task = store_->find_held(tid);
    return task != nullptr ? TaskHandle::held(*task) : TaskHandle{};
}

// ---- loops ----

void Engine::wake_one() noexcept {
    if (asleep_.load() == 0) return;
    for (const auto& loop : loops_)
        if (loop->is_asleep() && loop->rouse()) return;
}

bool Engine::advance_clock(Loop& by) noexcept {
    const std::uint64_t now = clock_->monotonic_ns();
    const auto deadline = deadlines_ns_.upper_bound(now);
    std::uint64_t first_ns = deadline != deadlines_ns_.end() ? *deadline : Operation::kNever;
    Loop* first = nullptr;
    bool descriptors = false;
    for (const auto& loop : loops_) {
        descriptors |= loop->waits_for_descriptors();
        if (loop.get() != &by && !loop->is_asleep()) return false;  // it will come here itself
        if (loop->has_news()) {
            if (loop.get() != &by) loop->rouse();
            return loop.get() == &by;
        }
        if (loop->timers().empty() || loop->timers().next_ns() >= first_ns) continue;
        first_ns = loop->timers().next_ns();
        first = loop.get();
    }
    if (first_ns == Operation::kNever) {
        if (descriptors) return false;  // those may still come
        nothing_to_come_ = true;
        changed_.notify_all();
        return false;
    }
    if (first_ns > now) clock_->as_virtual()->advance(first_ns - now);
    if (first == nullptr) changed_.notify_all();  // it is the deadline of who waits
    if (first != nullptr && first != &by) first->rouse();
    return true;
}

void Engine::stop() noexcept {
    if (store_->come() == nullptr) return;
    if (many_) {
        const std::lock_guard lock{mutex_};
        if (waiters_ == 0)
            stop_.store(true);
        else
            ++stops_;
        changed_.notify_all();
    } else {
        stop_.store(true);
        loops_.front()->rouse();
    }
    store_->leave();
}

bool Engine::wait_until_done(std::uint64_t deadline_ns) {
    std::unique_lock lock{mutex_};
    struct Waiter {
        std::size_t& waiters;
        explicit Waiter(std::size_t& all) noexcept : waiters{all} { ++waiters; }
        ~Waiter() { --waiters; }
    } const waiter{waiters_};
    const std::uint64_t stops_before = stops_;
    const bool is_virtual = clock_->as_virtual() != nullptr;
    const auto done = [&] {
        if (live() == 0 || is_closed() || stops_ != stops_before || take_stop()) return true;
        return is_virtual && (now_ns() >= deadline_ns || (deadline_ns == Operation::kNever && nothing_to_come_));
    };
    if (is_virtual) {
        nothing_to_come_ = false;
        const auto mine = deadlines_ns_.insert(deadline_ns);
        for (const auto& loop : loops_)
            loop->rouse();  // the time may go on to the deadline now
        changed_.wait(lock, done);
        deadlines_ns_.erase(mine);
    } else if (deadline_ns == Operation::kNever) {
        changed_.wait(lock, done);
    } else {
        constexpr std::uint64_t kLongest = 3'600'000'000'000;  // a wait for hundreds of years would overflow inside
        for (std::uint64_t now = now_ns(); now < deadline_ns; now = now_ns())
            if (changed_.wait_for(lock, std::chrono::nanoseconds{std::min(deadline_ns - now, kLongest)}, done)) break;
    }
    return live() == 0;
}

}  // namespace tiffany::detail
