// A scheduler is closed, while threads hold its workers, and may be in the middle of a word: who tells that they end.

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string_view>
#include <utility>

#include "kernel_time.hpp"
#include "scheduler_core.hpp"

namespace tiffany::detail {

/// The worker's thread has it tell of a new sink. Returns when, if it is held: else the scheduler was closed.
Stamp SchedulerCore::begin_to_tell(const Worker& worker) noexcept {
    const std::lock_guard lock{mutex()};
    const auto held = std::find_if(held_.begin(), held_.end(), [&](const Held& h) { return h.worker == &worker; });
    if (held == held_.end()) return {};
    held->catches_up = true;
    return Stamp{clock.ticks()};
}

/// The worker has told that it begins, or of a new sink. Returns whether it is held: else who closed the scheduler has
/// waited long enough, and left it to this thread.
bool SchedulerCore::end_telling(const Begun& begun) noexcept {
    const std::lock_guard lock{mutex()};
    for (std::vector<Held>* list : {&held_, &left_})
        for (Held& held : *list) {
            if (held.worker != &begun.worker) continue;
            held.catches_up = false;
            return list == &held_;
        }
    return false;
}

/// Returns when it stops, if it was held: else the scheduler was closed before this thread ended. Who closes it does
/// not wait for this thread, and the clock may be gone then.
Stamp SchedulerCore::begin_to_leave(Worker& worker, std::optional<std::uint64_t> delay_ns) noexcept {
    const std::lock_guard lock{mutex()};
    const auto held = std::find_if(held_.begin(), held_.end(), [&](const Held& h) { return h.worker == &worker; });
    if (held == held_.end()) return {};
    keep_delay(*held, delay_ns);
    worker.run_delay_before_ns_ = worker.run_delay_told_ns_;
    worker.settle();
    held->leaves = true;
    return Stamp{clock.ticks()};
}

/// Its thread is done with a worker that it held, or was to get, when the scheduler was closed: now its end is known,
/// and nobody else uses its index.
void SchedulerCore::leave_closed(Worker& worker) noexcept {
    std::uint64_t stopped = kUntold;
    {
        const std::lock_guard lock{mutex()};
        const auto left = std::find_if(left_.begin(), left_.end(), [&](const Held& h) { return h.worker == &worker; });
        if (left == left_.end()) return;  // it was given up: its thread had ended
        if (left->leaves) {               // who closed the scheduler tells of it, and gives it up
            left->has_ended = true;
            return;
        }
        stopped = left->stopped;
        left_.erase(left);
    }
    // the system's clock never goes; with any other the log has it no earlier than what the worker told before
    if (stopped != worker.seq())
        worker.tell_stopped(&clock == &Clock::system() ? Stamp{Clock::system().ticks()} : closed_at_);
    give_up(worker);
}

void SchedulerCore::end_thread(Worker& worker) noexcept {
    {
        const std::lock_guard lock{mutex()};
        for (Held& held : held_) {
            if (held.worker != &worker) continue;
            held.has_ended = true;
            return;
        }
    }
    leave_closed(worker);
}

void SchedulerCore::set_runs_only(const Worker& worker) noexcept {
    const std::lock_guard lock{mutex()};
    for (Held& held : held_)
        if (held.worker == &worker) held.runs_only = true;
}

/// Whether there may be tasks that have not ended: without metrics, and in a forked child, nobody knows.
bool SchedulerCore::has_live_tasks() noexcept {
    const std::lock_guard lock{mutex()};
    if (!metrics || process.first_own_tid() != 0) return true;
    // the ends first: what is spawned meanwhile makes it more, never less
    const std::uint64_t ended = sum(TaskEvent::Done) + sum(TaskEvent::Failed) + sum(TaskEvent::Cancelled);
    return sum(TaskEvent::Spawned) != ended;
}

void SchedulerCore::close() noexcept {
    const std::uint64_t until_ns = kernel_ns() + kMostWaitNs;
    end_watch(until_ns);
    while (!leave_all(kernel_ns() < until_ns))
        rest();
    // without the locks, as tell_started(). A child that is forked meanwhile has these indices in use for ever.
    const bool tasks_live = has_live_tasks();
    while (Worker* const worker = next_to_stop(tasks_live)) {
        worker->lend_lttng_call();
        worker->tell_stopped(Stamp{clock.ticks()});
        end_stopping(*worker);
    }
}

void SchedulerCore::end_watch(std::uint64_t until_ns) noexcept {
    std::shared_ptr<StallWatch> watch;
    {
        const std::lock_guard lock{mutex()};
        stall_bound_ns.store(0, std::memory_order_relaxed);
        watch = std::move(stall_watch_);
    }
    end(watch, until_ns);
}

/// Waits for its thread; from until_ns on no longer than until that is in the middle of an event. It ends by itself
/// then, and reads the clock no more, unless this lives.
/// @param watch  may be null
void SchedulerCore::end(const std::shared_ptr<StallWatch>& watch, std::uint64_t until_ns) noexcept {
    if (watch == nullptr) return;
    bool is_over = watch->stop(until_ns);
    while (!is_over) {
        if (is_in_an_event(watch->thread())) return watch->leave(shared_from_this());
        rest();
        is_over = watch->is_over();
    }
    watch->join();
}

/// Whether it tells something of a worker of its own, for as long as LTTng lets it wait.
bool SchedulerCore::is_in_an_event(pthread_t thread) noexcept {
    const std::lock_guard lock{mutex()};
    return std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
        return pthread_equal(held.thread, thread) != 0 && (held.catches_up || held.leaves);
    });
}

/// One whose end is known: its thread has ended, is here, or does nothing of its own and no task lives.
Worker* SchedulerCore::next_to_stop(bool tasks_live) noexcept {
    const auto here = static_cast<std::uint32_t>(gettid());  // a pthread_t is soon another thread's
    const std::lock_guard lock{mutex()};
    for (Held& left : left_) {
        if (left.catches_up || left.stopped != kUntold) continue;  // in the middle of a word; or told
        const bool is_here = left.worker->shard_.thread.load(std::memory_order_relaxed) == here;
        const bool has_tasks_only = !left.has_loop || left.runs_only;
        if (!is_here && !left.has_ended && (!has_tasks_only || tasks_live)) continue;
        left.stopped = left.worker->seq();
        left.leaves = true;
        return left.worker;
    }
    return nullptr;
}

/// One whose thread lives keeps its index: it may call a hook all the same, as in another static object's destructor.
void SchedulerCore::end_stopping(Worker& worker) noexcept {
    const bool is_here = worker.shard_.thread.load(std::memory_order_relaxed) == static_cast<std::uint32_t>(gettid());
    {
        const std::lock_guard lock{mutex()};
        const auto left = std::find_if(left_.begin(), left_.end(), [&](const Held& h) { return h.worker == &worker; });
        if (left == left_.end()) return;  // in a forked child
        left->leaves = false;
        if (!left->has_ended || is_here) return;
        left_.erase(left);
    }
    give_up(worker);
}

/// Takes the workers off the lists; those that threads hold are left to them.
/// @param may_wait  it returns false, and nothing is done, while a thread has its worker tell that it begins, or of a
///                  new sink: what is told later comes after the flush of this scheduler's end, and after exit(). The
///                  calling thread's own worker is waited for by nobody: a signal handler has closed this in between.
bool SchedulerCore::leave_all(bool may_wait) noexcept {
    const auto is_waited_for = [](const Held& each) {
        return each.catches_up && pthread_equal(each.thread, pthread_self()) == 0;
    };
    bool done = false;
    // in one step to who adds up a name's schedulers: it lives, or its numbers are among those of the ended
    process.with_schedulers([&](const std::vector<SchedulerCore*>& cores, EndedSchedulers& ended) {
        const std::lock_guard lock{mutex()};
        if (may_wait && std::any_of(held_.begin(), held_.end(), is_waited_for)) return;
        done = true;
        closed.store(true, std::memory_order_release);
        closed_at_ = Stamp{clock.ticks()};
        for (const Held& each : held_)
            if (!each.leaves) each.worker->settle();
        const std::uint64_t left_out = keep_left_out();
        if (metrics) {
            try {
                MetricsSnapshot last = add_up({}, false);
                last.lttng_left_out = left_out;
                ended.add(std::move(last), [&](std::string_view of) {
                    return std::any_of(cores.begin(), cores.end(), [&](const SchedulerCore* core) {
                        return core->metrics && !core->closed.load(std::memory_order_relaxed) && core->name == of;
                    });
                });
            } catch (...) {  // no memory: what it counted ends with it
            }
        }
        for (const Worker* worker : free_)
            retire(*worker);
        free_.clear();
        // one whose thread is in the middle of its last word is given up by that thread
        std::erase_if(held_, [](const Held& each) { return each.leaves; });
        left_ = std::exchange(held_, {});
    });
    return done;
}

/// Of all its workers up to now. A last word that is told meanwhile may leave more out.
std::uint64_t SchedulerCore::keep_left_out() noexcept {
    std::uint64_t all = ended_ != nullptr ? ended_->lttng_left_out : 0;
    for (const Owned& worker : all_)
        all += worker->left_out_kept_ = worker->lttng_left_out();
    return all;
}

/// The last word of a worker is told, after this was closed: what that left out is not in the sums yet. Locks.
void SchedulerCore::give_up(const Worker& worker) noexcept {
    const std::uint64_t left_out = worker.lttng_left_out() - worker.left_out_kept_;
    retire(worker);
    if (!metrics || left_out == 0) return;
    process.with_schedulers([&](const auto&, EndedSchedulers& ended) { ended.add_left_out(name, left_out); });
}

}  // namespace tiffany::detail
