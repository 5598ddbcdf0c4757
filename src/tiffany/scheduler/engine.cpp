#include "engine.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <stdexcept>
#include <utility>

namespace tiffany::detail {

std::uint64_t later(std::uint64_t now_ns, std::uint64_t by_ns) noexcept {
    return by_ns > std::numeric_limits<std::uint64_t>::max() - now_ns ? std::numeric_limits<std::uint64_t>::max()
                                                                      : now_ns + by_ns;
}

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

void Engine::dismiss() noexcept {
    if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1 && many_) changed_.notify_all();
}

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
