#pragma once
/// What a task's coroutines share: the chain of frames from the task's first coroutine to the one that runs.
///
/// No coroutine resumes another: each one that awaits, or ends, says who is next and returns to the scheduler, which
/// goes on with that one. g++ 12 makes no tail call at -O0 or under sanitizers, so symmetric transfer would use the
/// stack once for every await that completes at once.

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <utility>

namespace tiffany::detail {

class Frame;
struct Promise;
struct Awaited;
struct Operation;

/// What the coroutines that run on one thread tell its loop. Not shared.
struct LoopSide {
    Operation* asked = nullptr;  ///< what the coroutine that was just suspended awaits; null: another coroutine
    Operation* yield_is_asked = nullptr;  ///< what `asked` is then: one for all yields, so that none has to be written
    std::exception_ptr error = nullptr;   ///< what left the last coroutine, on its way to the one that awaits it
};

/// The running end of a task. Writer: the thread that runs the task.
struct Chain {
    // not an aggregate: what derives from it may use the room behind its last member
    Chain() noexcept
        : ended{false},
          failed{false},
          started{false},
          plain{false},
          limited{false},
          pinned{false},
          cancel_delivered{false} {}

    Promise* leaf = nullptr;    ///< the coroutine to resume
    LoopSide* side = nullptr;   ///< of the loop that runs it, or that it waits at
    bool ended : 1;             ///< the first coroutine has ended
    bool failed : 1;            ///< an exception left the last coroutine: it is in side->error
    bool started : 1;           ///< the first coroutine has begun
    bool plain : 1;             ///< it has, and the task is not limited: nothing is to be done around a run
    bool limited : 1;           ///< it has a budget, or a quantum of its own
    bool pinned : 1;            ///< only one loop runs it
    bool cancel_delivered : 1;  ///< a cancellation was thrown in it
    /// 1 + the CancelCause of who asks the task to end. Any thread; set with the scheduler's lock held.
    std::atomic<std::uint8_t> cancel_pending{0};
};

/// Keeps the exception that is being handled for whoever awaits the coroutine.
void keep_error(Chain& chain) noexcept;
/// Throws what was kept.
[[noreturn]] void rethrow_error(Chain& chain);

/// What every coroutine of a task has, whatever it returns.
struct Promise {
    Promise() = default;
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;

    Chain* chain = nullptr;
    Awaited* awaited = nullptr;  ///< by whom; null: the task's first coroutine, or nobody yet

    /// The coroutine. Its promise begins with this one, and is aligned as no more than two pointers (Task sees to
    /// that): then both compilers find the frame at the same distance, whatever the promise's type.
    std::coroutine_handle<> self() noexcept { return std::coroutine_handle<Promise>::from_promise(*this); }

    struct Final {
        bool await_ready() const noexcept { return false; }
        template <typename P>
        void await_suspend(std::coroutine_handle<P> ended) const noexcept {
            const Promise& promise = ended.promise();
            if (promise.awaited != nullptr)
                promise.chain->leaf = parent_of(promise);
            else
                promise.chain->ended = true;
        }
        void await_resume() const noexcept {}
        static Promise* parent_of(const Promise& promise) noexcept;
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { keep_error(*chain); }
};

/// Owns a coroutine's frame. Moved, not copied.
class Frame {
  public:
    Frame() = default;
    explicit Frame(Promise& promise) noexcept : promise_{&promise} {}
    Frame(Frame&& other) noexcept : promise_{other.release()} {}
    Frame& operator=(Frame&& other) noexcept {
        if (this != &other) {
            reset();
            promise_ = other.release();
        }
        return *this;
    }
    ~Frame() { reset(); }

    Promise* promise() const noexcept { return promise_; }

    /// Destroys the frame, and those that it awaits.
    void reset() noexcept {
        if (promise_ != nullptr) std::exchange(promise_, nullptr)->self().destroy();
    }
    /// The frame is the caller's from now on.
    Promise* release() noexcept { return std::exchange(promise_, nullptr); }

    /// Destroys a suspended chain, the innermost frame first, as unwinding would. Without recursion: a chain of a
    /// million frames that each destroy what they own would use up the stack.
    static void destroy_from(Promise* leaf) noexcept;

  private:
    Promise* promise_ = nullptr;
};

/// A coroutine that another one of its task awaits. Lies in the awaiter, so that a coroutine nobody awaits has no room
/// for it.
struct Awaited {
    Frame frame;
    Promise* parent = nullptr;
};

inline Promise* Promise::Final::parent_of(const Promise& promise) noexcept {
    return promise.awaited->parent;
}

inline void Frame::destroy_from(Promise* leaf) noexcept {
    while (leaf != nullptr) {
        Awaited* const awaited = leaf->awaited;
        if (awaited != nullptr) awaited->frame.release();  // else the parent would destroy it once more
        Promise* const parent = awaited != nullptr ? awaited->parent : nullptr;
        leaf->self().destroy();
        leaf = parent;
    }
}

}  // namespace tiffany::detail
