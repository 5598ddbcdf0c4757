#pragma once
/// What the hooks measure: when a transition was, and since when the task was in the state that it leaves. Private to
/// telemetry.
///
/// What every run calls is always inlined: as a call it would make the short ways save registers.

#include <cstdint>
#include <tiffany/telemetry/worker.hpp>

namespace tiffany {

inline std::uint64_t Worker::moment(Stamp at) const noexcept {
    return at.known() ? at.ticks() : clock_->ticks();
}

/// The same, if it is to be had without a call, else 0. A function without calls saves no registers.
inline std::uint64_t Worker::quick_moment(Stamp at) const noexcept {
    return at.known() ? at.ticks() : clock_->ticks_without_call();
}

/// When the transition before this one was; 0 = nothing listened then.
inline std::uint64_t Worker::stamp_of(const TaskTimes& task, std::uint64_t before) noexcept {
    return task.since(TaskTimes::step_of(before));
}

inline void Worker::stamp(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    task.stamp(TaskTimes::step_of(before) + 1, now);
}

/// Returns when: not before it began to wait, though whoever woke it may have taken his stamp before that.
inline std::uint64_t Worker::become_ready(TaskTimes& task, std::uint64_t before, std::uint64_t now) noexcept {
    task.waiting_since_ = stamp_of(task, before);
    if (task.waiting_since_ != 0 && static_cast<std::int64_t>(now - task.waiting_since_) < 0) now = task.waiting_since_;
    stamp(task, before, now);
    return now;
}

[[gnu::always_inline]] inline Worker::Delays Worker::begin_run(TaskTimes& task, std::uint64_t before,
                                                               std::uint64_t now) noexcept {
    Delays delays{0, 0};
    if (const std::uint64_t since = stamp_of(task, before); since != 0) [[likely]] {
        delays.ready_ns = clock_->to_ns(now - since);
        if (TaskTimes::waited_of(before) != WaitKind::none && task.waiting_since_ != 0)
            delays.wait_ns = clock_->to_ns(now - task.waiting_since_);
    }
    stamp(task, before, now);
    return delays;
}

/// Returns the length of the run that ends, 0 if its begin was not seen.
[[gnu::always_inline]] inline std::uint64_t Worker::end_run(TaskTimes& task, std::uint64_t before,
                                                            std::uint64_t now) noexcept {
    std::uint64_t run_ns = 0;
    if (const std::uint64_t since = stamp_of(task, before); since != 0) [[likely]]
        run_ns = clock_->to_ns(now - since);
    stamp(task, before, now);
    return run_ns;
}

}  // namespace tiffany
