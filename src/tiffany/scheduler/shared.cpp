// What tasks share: events, mutexes, semaphores; channels are in their header.

#include <atomic>
#include <tiffany/scheduler/event.hpp>
#include <tiffany/scheduler/mutex.hpp>
#include <tiffany/scheduler/semaphore.hpp>

#include "engine.hpp"
#include "loop.hpp"

namespace tiffany {
namespace detail {

std::uint64_t next_resource_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only uniqueness matters
}

// Without a running task and without one that waits nobody else can be here: then, and only then, the lists may be
// looked at before the lock is held.
SharedGuard::SharedGuard(const WaitList& list, const WaitList& other) noexcept {
    Engine* engine = nullptr;
    if (const Loop* const loop = Loop::current())
        engine = &loop->engine();
    else if (!list.empty())
        engine = &engine_of(*list.front());
    else if (!other.empty())
        engine = &engine_of(*other.front());
    engine_ = engine;
    if (engine != nullptr) engine->lock();
}

SharedGuard::~SharedGuard() {
    if (engine_ != nullptr) static_cast<Engine*>(engine_)->unlock();
}

void grant(SharedOperation& operation) noexcept {
    Engine& engine = engine_of(operation);
    engine.make_ready(task_of(*operation.chain), WakeCause::event, engine.current_tid());
}

}  // namespace detail

// A task that waits may be taken out of the list by another worker at this moment.
Event::~Event() {
    const detail::SharedGuard guard{waiting_};
    waiting_.clear();
}

Mutex::~Mutex() {
    const detail::SharedGuard guard{waiting_};
    waiting_.clear();
}

Semaphore::~Semaphore() {
    const detail::SharedGuard guard{waiting_};
    waiting_.clear();
}

void Event::set() noexcept {
    const detail::SharedGuard guard{waiting_};
    set_ = true;
    while (!waiting_.empty())
        detail::grant(static_cast<detail::SharedOperation&>(*waiting_.front()));
}

void Event::reset() noexcept {
    const detail::SharedGuard guard{waiting_};
    set_ = false;
}

bool Event::is_set() const noexcept {
    const detail::SharedGuard guard{waiting_};
    return set_;
}

void Mutex::unlock() noexcept {
    const detail::SharedGuard guard{waiting_};
    if (waiting_.empty()) {
        locked_ = false;
        return;
    }
    auto& next = static_cast<Waiter&>(*waiting_.front());
    next.granted = true;
    detail::grant(next);
}

void Semaphore::release(std::uint64_t count) noexcept {
    const detail::SharedGuard guard{waiting_};
    available_ += count;
    serve();
}

void Semaphore::serve() noexcept {
    while (!waiting_.empty()) {
        auto& next = static_cast<Waiter&>(*waiting_.front());
        if (next.wanted > available_) return;
        available_ -= next.wanted;
        next.granted = true;
        detail::grant(next);
    }
}

std::uint64_t Semaphore::available() const noexcept {
    const detail::SharedGuard guard{waiting_};
    return available_;
}

}  // namespace tiffany
