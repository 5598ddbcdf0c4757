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

class Event;

namespace detail {
bool suspend_wait(Chain& chain, Event& event, std::chrono::nanoseconds timeout) noexcept;
}

/// Not shared: the scheduler's thread. Tasks that still wait when it dies stay Waiting until they are cancelled.
class Event {
  public:
    Event() noexcept;

    /// Wakes all that wait, in the order in which they came, and stays set. Each of them goes Ready with cause event.
    void set() noexcept;
    void reset() noexcept { set_ = false; }
    bool is_set() const noexcept { return set_; }
    /// What `Wait` tells as resource: unique in the process.
    std::uint64_t id() const noexcept { return id_; }

    /// Waits until it is set. Fires Wait with reason event. co_await gives false when the time was over first.
    auto wait(std::chrono::nanoseconds timeout = kForever) noexcept {
        return detail::TimedAwaiter{
            [this, timeout](detail::Chain& chain) { return detail::suspend_wait(chain, *this, timeout); }};
    }

  private:
    friend bool detail::suspend_wait(detail::Chain&, Event&, std::chrono::nanoseconds) noexcept;

    std::uint64_t id_;
    bool set_ = false;
    detail::WaitList waiting_;
};

}  // namespace tiffany
