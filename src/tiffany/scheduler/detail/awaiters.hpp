#pragma once
/// The awaiters behind tiffany/scheduler/await.hpp and the things that tasks share. Each is the operation that it asks
/// for.

#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <stdexcept>
#include <tiffany/scheduler/detail/chain.hpp>
#include <tiffany/scheduler/detail/operation.hpp>
#include <tiffany/scheduler/task_handle.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>

namespace tiffany {

class SchedulerBase;

/// As a time-out: none.
inline constexpr std::chrono::nanoseconds kForever = std::chrono::nanoseconds::max();

namespace detail {

/// Throws the TaskCancelled that is pending.
void throw_cancelled(Chain& chain);

/// Throws TaskCancelled if a request is pending.
inline void throw_if_cancelled(Chain& chain) {
    if (chain.cancel_pending.load(std::memory_order_relaxed) != 0) [[unlikely]]
        throw_cancelled(chain);
}
inline void throw_if_cancelled(const Operation& operation) {
    throw_if_cancelled(*operation.chain);
}

/// A time or a time-out, ns; what is not above 0 is over at once.
constexpr std::uint64_t count_of(std::chrono::nanoseconds time) noexcept {
    if (time == kForever) return Operation::kNever;
    return time.count() <= 0 ? 0 : static_cast<std::uint64_t>(time.count());
}

/// What an awaiter does: it asks the loop to carry out the operation that it is.
template <typename Op>
class Awaiter : public Op {
  public:
    using Op::Op;
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    void await_suspend(std::coroutine_handle<P> caller) noexcept {
        this->chain = caller.promise().chain;
        this->chain->side->asked = this;
    }
};

/// A yield: always the same operation, and never in the frame.
class [[nodiscard]] YieldAwaiter {
  public:
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    void await_suspend(std::coroutine_handle<P> caller) noexcept {
        chain_ = caller.promise().chain;
        chain_->side->asked = chain_->side->yield_is_asked;
    }
    void await_resume() const { throw_if_cancelled(*chain_); }

  private:
    Chain* chain_ = nullptr;
};

/// An await that gives nothing.
class [[nodiscard]] PlainAwaiter : public Awaiter<Operation> {
  public:
    explicit PlainAwaiter(WaitsFor what, std::uint64_t time = 0) noexcept : Awaiter{what} { time_ns = time; }
    void await_resume() const { throw_if_cancelled(*this); }
};

enum class Direction : std::uint8_t { read, write };

struct IoOperation : ListedOperation {
    IoOperation(int descriptor, Direction which, std::chrono::nanoseconds timeout) noexcept
        : ListedOperation{WaitsFor::io}, direction{which} {
        fd = descriptor;
        time_ns = count_of(timeout);
    }
    Direction direction;
    int error = 0;  ///< errno: why it could not wait
};

/// co_await gives whether the time-out was not first.
class IoAwaiter : public Awaiter<IoOperation> {
  public:
    using Awaiter::Awaiter;
    bool await_resume() const;
};

struct JoinOperation : ListedOperation {
    JoinOperation(TaskRef whom, std::chrono::nanoseconds timeout) noexcept
        : ListedOperation{WaitsFor::join}, ref{std::move(whom)} {
        time_ns = count_of(timeout);
        waits_for_ever = time_ns == kNever;
    }
    enum class Refusal : std::uint8_t { none, unknown, other_scheduler, cycle };
    TaskRef ref;
    TaskHandle target;  ///< set when it begins
    bool waits_for_ever;
    Refusal refusal = Refusal::none;

    /// Throws what the end of the target says, or why there was no join. Returns whether it ended in time.
    bool finish() const;
};

template <bool Timed>
class [[nodiscard]] JoinAwaiter : public Awaiter<JoinOperation> {
  public:
    using Awaiter::Awaiter;
    auto await_resume() const {
        const bool ended = finish();
        if constexpr (Timed) return ended;
    }
};

/// A join that gives what the target returned.
template <typename T>
class [[nodiscard]] ResultAwaiter : public Awaiter<JoinOperation> {
  public:
    using Awaiter::Awaiter;
    T await_resume() const {
        finish();
        const void* const result = result_of(target);
        // the handle came after the task had ended, when nobody had one
        if (result == nullptr) throw std::logic_error{"cannot join: what the task returned was not kept"};
        return *static_cast<const T*>(result);
    }
};

/// A wait for a thing that tasks share.
struct SharedOperation : ListedOperation {
    /// Whether it need not wait: called with the scheduler's lock held, before anything is fired.
    using TryNow = bool (*)(SharedOperation&) noexcept;

    SharedOperation(TryNow how, WaitReason why, std::uint64_t what, WaitList& place) noexcept
        : ListedOperation{WaitsFor::listed}, try_now{how}, reason{why}, resource{what}, where{&place} {
        time_ns = kNever;
    }
    TryNow try_now;
    /// It waits no more, granted or not: called with the scheduler's lock held. Null: nothing follows from that.
    void (*left)(SharedOperation&) noexcept = nullptr;
    WaitReason reason;
    std::uint64_t resource;
    WaitList* where;
};

/// Holds the lock of the scheduler whose task runs here, or whose tasks wait in `list`, or in `other`.
class SharedGuard {
  public:
    explicit SharedGuard(const WaitList& list) noexcept : SharedGuard{list, list} {}
    SharedGuard(const WaitList& list, const WaitList& other) noexcept;
    ~SharedGuard();
    SharedGuard(const SharedGuard&) = delete;
    SharedGuard& operator=(const SharedGuard&) = delete;

  private:
    void* engine_;
};

/// The operation waits no more: its task goes Ready, cause event. With the lock held.
void grant(SharedOperation& operation) noexcept;

/// The running task, or its scheduler: never suspends.
class ChainAwaiter {
  public:
    bool await_ready() const noexcept { return false; }
    template <std::derived_from<Promise> P>
    bool await_suspend(std::coroutine_handle<P> caller) noexcept {
        chain_ = caller.promise().chain;
        return false;
    }

  protected:
    Chain* chain_ = nullptr;
};

TaskHandle handle_of(Chain& chain) noexcept;
SchedulerBase& scheduler_of(Chain& chain) noexcept;

class [[nodiscard]] CurrentTask : public ChainAwaiter {
  public:
    TaskHandle await_resume() const noexcept { return handle_of(*chain_); }
};

class [[nodiscard]] CurrentScheduler : public ChainAwaiter {
  public:
    SchedulerBase& await_resume() const noexcept { return scheduler_of(*chain_); }
};

}  // namespace detail
}  // namespace tiffany
