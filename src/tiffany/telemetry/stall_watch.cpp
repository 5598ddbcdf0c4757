#include "stall_watch.hpp"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <tiffany/telemetry/detail/signals_blocked.hpp>
#include <tiffany/telemetry/worker.hpp>
#include <utility>

#include "process.hpp"
#include "scheduler_core.hpp"

namespace tiffany::detail {
namespace {

/// A stall is told of within a quarter of the bound, and no more often is looked than this.
std::chrono::nanoseconds pause_for(std::uint64_t bound_ns) noexcept {
    constexpr std::uint64_t kShortestNs = 10'000'000;
    constexpr std::uint64_t kLongestNs = 1'000'000'000;
    return std::chrono::nanoseconds{std::clamp(bound_ns / 4, kShortestNs, kLongestNs)};
}

}  // namespace

std::shared_ptr<StallWatch> StallWatch::begin(SchedulerCore& core) {
    std::shared_ptr<StallWatch> watch{new StallWatch{core}};
    const AllSignalsBlocked blocked;
    watch->thread_ = std::thread{[watch] { watch->run(); }};
    pthread_setname_np(watch->thread(), "tiffany-stall");
    return watch;
}

bool StallWatch::stop(std::uint64_t until_ns) noexcept {
    const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds{until_ns}};  // which is CLOCK_MONOTONIC
    std::unique_lock lock{mutex_};
    stopping_ = true;
    changed_.notify_all();
    return changed_.wait_until(lock, until, [this] { return over_; });
}

bool StallWatch::is_over() noexcept {
    const std::lock_guard lock{mutex_};
    return over_;
}

void StallWatch::leave(std::shared_ptr<SchedulerCore> core) noexcept {
    const std::lock_guard lock{mutex_};
    if (!over_) kept_ = std::move(core);
    thread_.detach();
}

void StallWatch::change_pace() noexcept {
    {
        const std::lock_guard lock{mutex_};
        new_pace_ = true;
    }
    changed_.notify_one();
}

void StallWatch::leave_behind(const std::shared_ptr<StallWatch>& watch) noexcept {
    // its mutex may be held, for ever; and what its thread owns of it is never given up
    static StallWatch* last = nullptr;
    if (watch == nullptr) return;
    watch->left_before_ = last;
    last = watch.get();
}

/// The thread. What it returns is to go when nothing here is in use any more.
std::shared_ptr<SchedulerCore> StallWatch::run() noexcept {
    work();
    const std::lock_guard lock{mutex_};
    over_ = true;
    changed_.notify_all();
    return std::move(kept_);
}

void StallWatch::work() noexcept {
    std::unique_lock lock{mutex_};
    while (!stopping_) {
        const std::uint64_t bound_ns = core_.stall_bound_ns.load(std::memory_order_relaxed);
        if (changed_.wait_for(lock, pause_for(bound_ns), [this] { return stopping_ || new_pace_; })) {
            new_pace_ = false;
            continue;
        }
        lock.unlock();
        look();
        lock.lock();
    }
    lock.unlock();
    if (worker_ != nullptr) core_.give_back(*worker_);
}

void StallWatch::look() noexcept {
    // if all workers stand still, nobody else notices a tracer that comes now
    core_.process.look(core_.clock);
    while (const std::optional<Stall> stall = core_.find_stall(*this)) {
        if (!tell(*stall)) return;  // nobody listens: there is time for it as long as the run lasts
        core_.set_stall_told(*stall);
    }
}

bool StallWatch::tell(const Stall& stall) noexcept {
    if (worker_ == nullptr) {
        try {
            Worker& taken = core_.take(false);
            if (&taken == core_.refused.get()) return false;
            worker_ = &taken;
        } catch (...) {  // no memory: the next look tries again
            return false;
        }
    }
    return core_.tell_stall(*worker_, stall);
}

}  // namespace tiffany::detail
