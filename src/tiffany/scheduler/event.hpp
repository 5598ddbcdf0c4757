#pragma once
/// Something that happens: tasks wait until it is set.
///
///     Event loaded;
///     co_await loaded.wait();   // in some tasks
///     loaded.set();             // in another

#include <chrono>
#include <cstdint>
#include <tiffany/scheduler/await.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>

namespace tiffany {

namespace detail {
std::uint64_t next_resource_id() noexcept;
}

/// Shared by the tasks of one scheduler. Other code calls it when none of them runs: on a Scheduler's thread between
/// two runs, or by `post()`. Tasks that still wait when it dies stay Waiting until they are cancelled.
class Event {
  public:
    Event() noexcept : id_{detail::next_resource_id()} {}
    ~Event();
    Event(const Event&) = delete;
    Event& operator=(const Event&) = delete;

    /// Wakes all that wait, in the order in which they came, and stays set. Each of them goes Ready with cause event.
    void set() noexcept;
    void reset() noexcept;
    bool is_set() const noexcept;
    /// What `Wait` tells as resource: unique in the process.
    std::uint64_t id() const noexcept { return id_; }

    class [[nodiscard]] Waiter;
    /// Waits until it is set. Fires Wait with reason event. co_await gives false when the time was over first.
    Waiter wait(std::chrono::nanoseconds timeout = kForever) noexcept;

  private:
    std::uint64_t id_;
    bool set_ = false;
    detail::WaitList waiting_;
};

class Event::Waiter : public detail::Awaiter<detail::SharedOperation> {
  public:
    Waiter(Event& event, std::chrono::nanoseconds timeout) noexcept
        : Awaiter{&is_set, WaitReason::event, event.id_, event.waiting_}, event_{event} {
        time_ns = detail::count_of(timeout);
    }
    bool await_resume() const {
        detail::throw_if_cancelled(*this);
        return !timed_out;
    }

  private:
    static bool is_set(detail::SharedOperation& self) noexcept { return static_cast<Waiter&>(self).event_.set_; }
    Event& event_;
};

inline Event::Waiter Event::wait(std::chrono::nanoseconds timeout) noexcept {
    return Waiter{*this, timeout};
}

}  // namespace tiffany
