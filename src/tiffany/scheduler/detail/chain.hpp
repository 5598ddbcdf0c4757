#pragma once
/// What a task's coroutines share: the chain of frames from the task's first coroutine to the one that runs.
///
/// No coroutine resumes another: each one that awaits, or ends, says who is next and returns to the scheduler, which
/// goes on with that one. g++ 12 makes no tail call at -O0 or under sanitizers, so symmetric transfer would use the
/// stack once for every await that completes at once.

#include <coroutine>
#include <exception>
#include <utility>

namespace tiffany::detail {

class Frame;
struct Promise;

/// The running end of a task. Not shared: the scheduler's thread.
struct Chain {
    Promise* leaf = nullptr;  ///< the coroutine to resume
    bool go_on = false;       ///< the leaf changed, it is to be resumed at once; false: suspended, or at its end
    bool ended = false;       ///< the first coroutine has ended
};

/// What every coroutine of a task has, whatever it returns.
struct Promise {
    Promise() = default;
    Promise(const Promise&) = delete;
    Promise& operator=(const Promise&) = delete;

    Chain* chain = nullptr;
    Promise* parent = nullptr;  ///< who awaits this one; null: the task's first coroutine
    Frame* owner = nullptr;     ///< whose destructor would destroy the frame
    std::coroutine_handle<> self;
    std::exception_ptr error;  ///< what left the coroutine

    struct Final {
        bool await_ready() const noexcept { return false; }
        template <typename P>
        void await_suspend(std::coroutine_handle<P> ended) const noexcept {
            Promise& promise = ended.promise();
            promise.chain->leaf = promise.parent;
            promise.chain->go_on = promise.parent != nullptr;
            promise.chain->ended = promise.parent == nullptr;
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    Final final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { error = std::current_exception(); }
};

/// Owns a coroutine's frame. Moved, not copied.
class Frame {
  public:
    Frame() = default;
    explicit Frame(Promise& promise) noexcept : promise_{&promise} { promise.owner = this; }
    Frame(Frame&& other) noexcept : promise_{std::exchange(other.promise_, nullptr)} {
        if (promise_ != nullptr) promise_->owner = this;
    }
    Frame& operator=(Frame&& other) noexcept {
        if (this != &other) {
            reset();
            promise_ = std::exchange(other.promise_, nullptr);
            if (promise_ != nullptr) promise_->owner = this;
        }
        return *this;
    }
    ~Frame() { reset(); }

    Promise* promise() const noexcept { return promise_; }

    /// Destroys the frame, and those that it awaits.
    void reset() noexcept {
        if (promise_ != nullptr) std::exchange(promise_, nullptr)->self.destroy();
    }

    /// Destroys a suspended chain, the innermost frame first, as unwinding would. Without recursion: a chain of a
    /// million frames that each destroy what they own would use up the stack.
    static void destroy_from(Promise* leaf) noexcept {
        while (leaf != nullptr) {
            Promise* const parent = leaf->parent;
            if (leaf->owner != nullptr) leaf->owner->promise_ = nullptr;
            leaf->self.destroy();
            leaf = parent;
        }
    }

  private:
    Promise* promise_ = nullptr;
};

}  // namespace tiffany::detail
