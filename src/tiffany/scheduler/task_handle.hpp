#pragma once
/// A hold on a spawned task: to join it, to cancel it, to wake it, to learn how it ended.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <tiffany/tracepoints/catalogue.hpp>
#include <type_traits>
#include <utility>

namespace tiffany {

namespace detail {
struct TaskCore;
void hold(TaskCore& task) noexcept;
void let_go(TaskCore& task) noexcept;
}  // namespace detail

/// Copied freely; keeps what is known of the task, not the task, alive. May outlive the scheduler. One handle is not
/// shared between threads, but each thread may have its own.
class TaskHandle {
  public:
    TaskHandle() = default;
    TaskHandle(const TaskHandle& other) noexcept : core_{other.core_} {
        if (core_ != nullptr) detail::hold(*core_);
    }
    TaskHandle(TaskHandle&& other) noexcept : core_{std::exchange(other.core_, nullptr)} {}
    TaskHandle& operator=(TaskHandle other) noexcept {
        std::swap(core_, other.core_);
        return *this;
    }
    ~TaskHandle() {
        if (core_ != nullptr) detail::let_go(*core_);
    }

    /// False: it stands for no task.
    explicit operator bool() const noexcept { return core_ != nullptr; }

    // All below: if it stands for no task, nothing is done, and the answer is that of no task: tid 0, TaskState::None,
    // not ended, no error, nothing cancelled.

    /// Any thread.
    std::uint64_t tid() const noexcept;
    /// Any thread; at once old news on any other thread than the scheduler's.
    TaskState state() const noexcept;
    /// Finished, failed or cancelled. Any thread.
    bool ended() const noexcept;
    /// What the exception said that left it; empty if it did not fail. Any thread, once it has ended.
    const std::string& error() const noexcept;

    /// Asks the task to end: TaskCancelled is thrown where it is suspended, or at its next await. Returns false, and
    /// does nothing, if it has ended or a request is pending already. To a Scheduler the request of another thread goes
    /// as by `post`: true says that it is on its way, std::bad_alloc that it is not. Any thread.
    bool cancel() const;

    /// Wakes it from `sleep_until_woken()`; if it is elsewhere, its next `sleep_until_woken()` returns soon. Several
    /// wakes before that count as one. Any thread. Cost from another thread: no lock, no allocation; its first call
    /// takes a worker for it.
    void wake() const noexcept;

    /// For the scheduler: takes over a hold.
    static TaskHandle held(detail::TaskCore& core) noexcept {
        TaskHandle handle;
        handle.core_ = &core;
        return handle;
    }
    detail::TaskCore* core() const noexcept { return core_; }

  private:
    detail::TaskCore* core_ = nullptr;
};

namespace detail {
/// What the task returned; null before it finished.
void* result_of(const TaskHandle& task) noexcept;
}  // namespace detail

/// The handle of a task that returns a T.
template <typename T>
class ResultHandle : public TaskHandle {
  public:
    ResultHandle() = default;
    explicit ResultHandle(TaskHandle handle) noexcept : TaskHandle{std::move(handle)} {}

    /// What it returned; null before it finished, and if it did not finish well. Lives as long as a handle to the task.
    /// Any thread, once it has ended.
    T* result() const noexcept { return static_cast<T*>(detail::result_of(*this)); }
};

/// A task as joins and dependencies take it: a handle, or the number of a task that somebody has a handle of.
class TaskRef {
  public:
    TaskRef(TaskHandle handle) noexcept : handle_{std::move(handle)} {}  // NOLINT(google-explicit-constructor)
    TaskRef(std::uint64_t tid) noexcept : tid_{tid} {}                   // NOLINT(google-explicit-constructor)

    const TaskHandle& handle() const noexcept { return handle_; }
    std::uint64_t tid() const noexcept { return handle_ ? handle_.tid() : tid_; }

  private:
    TaskHandle handle_;
    std::uint64_t tid_ = 0;
};

class TaskRefs;

namespace detail {
/// A variable in which they lie one after the other; not a view of them, which is copied.
template <typename Range>
concept VariableOfTaskRefs =
    std::is_lvalue_reference_v<Range> && !std::is_same_v<std::remove_cvref_t<Range>, TaskRefs> &&
    std::is_constructible_v<std::span<const TaskRef>, Range>;
}  // namespace detail

/// Tasks that lie in a variable of the caller's, which outlives the call: an array, std::array, std::vector or
/// std::span of TaskRef. Refers to them, and owns nothing.
///
///     const TaskRef needs[] = {first, last};
///     scheduler.spawn({.dependencies = needs}, link());
///
/// A temporary does not convert: in a statement that awaits, or kept in a variable, the view would outlive it.
class TaskRefs {
  public:
    constexpr TaskRefs() noexcept = default;
    template <detail::VariableOfTaskRefs Range>
    constexpr TaskRefs(Range&& tasks) noexcept : tasks_{tasks} {}  // NOLINT(bugprone-forwarding-reference-overload)

    constexpr const TaskRef* begin() const noexcept { return tasks_.data(); }
    constexpr const TaskRef* end() const noexcept { return tasks_.data() + tasks_.size(); }
    constexpr std::size_t size() const noexcept { return tasks_.size(); }

  private:
    std::span<const TaskRef> tasks_;
};

}  // namespace tiffany
