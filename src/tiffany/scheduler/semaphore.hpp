#pragma once
/// So many at a time.
///
///     Semaphore connections{8};
///     co_await connections.acquire();
///     ...
///     connections.release();

#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <tiffany/scheduler/await.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <tiffany/scheduler/event.hpp>

namespace tiffany {

/// Shared by the tasks of one scheduler, first come, first served: who wants many is not passed by those who want few.
/// Tasks that still wait when it dies stay Waiting until they are cancelled.
class Semaphore {
  public:
    /// @param available  how many may be taken at first; 0: none, until somebody gives some
    /// Errors: std::invalid_argument, more than an int64 holds: a negative number was converted.
    explicit Semaphore(std::uint64_t available) : id_{detail::next_resource_id()}, available_{available} {
        if (available > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
            throw std::invalid_argument{"cannot make a semaphore of " + std::to_string(available) +
                                        ": expected at most what an int64 holds; was it a negative number?"};
    }
    ~Semaphore();
    Semaphore(const Semaphore&) = delete;
    Semaphore& operator=(const Semaphore&) = delete;

    class [[nodiscard]] Waiter;
    /// Takes `count`, when they are there. Fires Wait with reason semaphore. A cancellation that comes when they are
    /// granted already arrives at the next await; they are this task's then, and it gives them back.
    Waiter acquire(std::uint64_t count = 1) noexcept;
    /// Gives `count` back, and to those who wait.
    void release(std::uint64_t count = 1) noexcept;
    std::uint64_t available() const noexcept;
    /// What `Wait` tells as resource: unique in the process.
    std::uint64_t id() const noexcept { return id_; }

  private:
    void serve() noexcept;  // with the lock held

    std::uint64_t id_;
    std::uint64_t available_;
    detail::WaitList waiting_;
};

class Semaphore::Waiter : public detail::Awaiter<detail::SharedOperation> {
  public:
    Waiter(Semaphore& semaphore, std::uint64_t count) noexcept
        : Awaiter{&try_take, WaitReason::semaphore, semaphore.id_, semaphore.waiting_},
          wanted{count},
          semaphore_{semaphore} {
        left = &serve_those_behind;
    }
    ~Waiter() {
        if (granted) semaphore_.release(wanted);  // it was destroyed before it went on
    }
    void await_resume() {
        if (!granted) detail::throw_if_cancelled(*this);
        granted = false;
    }
    std::uint64_t wanted;
    bool granted = false;

  private:
    static bool try_take(detail::SharedOperation& self) noexcept {
        auto& waiter = static_cast<Waiter&>(self);
        Semaphore& semaphore = waiter.semaphore_;
        if (!semaphore.waiting_.empty() || semaphore.available_ < waiter.wanted) return false;
        semaphore.available_ -= waiter.wanted;
        return waiter.granted = true;
    }
    /// One that was cancelled held back those behind it, which may be content with less.
    static void serve_those_behind(detail::SharedOperation& self) noexcept {
        auto& waiter = static_cast<Waiter&>(self);
        if (!waiter.granted) waiter.semaphore_.serve();
    }
    Semaphore& semaphore_;
};

inline Semaphore::Waiter Semaphore::acquire(std::uint64_t count) noexcept {
    return Waiter{*this, count};
}

}  // namespace tiffany
