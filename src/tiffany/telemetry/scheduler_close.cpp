// A scheduler is closed, while its workers may be in the middle of a word: who tells that they end.

#include <pthread.h>

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
    {
        const std::lock_guard lock{mutex()};
        for (Held& held : held_) {
            if (held.worker != &begun.worker) continue;
            held.catches_up = false;
            return true;
        }
    }
    begun.worker.tell_stopped(begun.at);  // the clock may be gone
    give_up(begun.worker);
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

void SchedulerCore::close() noexcept {
    const std::uint64_t until_ns = kernel_ns() + kMostWaitNs;
    end_watch(until_ns);
    std::vector<Held> held;
    while (!give_up_all(held, kernel_ns() < until_ns))
        rest();
    // without the locks, as tell_started(). A child that is forked meanwhile has these indices in use for ever.
    for (const Held& each : held) {
        if (each.leaves || each.catches_up) continue;  // its thread is in the middle of a word, and does this after it
        each.worker->lend_lttng_call();
        each.worker->tell_stopped(Stamp{clock.ticks()});
        give_up(*each.worker);
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

/// Takes the workers off the lists.
/// @param may_wait  it returns false, and nothing is done, while a thread has its worker tell that it begins, or of a
///                  new sink: what is told later comes after the flush of this scheduler's end, and after exit(). The
///                  calling thread's own worker is waited for by nobody: a signal handler has closed this in between.
bool SchedulerCore::give_up_all(std::vector<Held>& held, bool may_wait) noexcept {
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
        held = std::exchange(held_, {});
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
