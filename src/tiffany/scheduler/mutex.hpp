#pragma once
/// One task at a time.
///
///     Mutex mutex;
///     {
///         const Mutex::Lock lock = co_await mutex.lock();
///         ...                       // may await
///     }                             // unlocked here; the task that waited longest has it now

#include <cstdint>
#include <tiffany/scheduler/await.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <tiffany/scheduler/event.hpp>
#include <utility>

namespace tiffany {

/// Shared by the tasks of one scheduler, first come, first served. Tasks that still wait when it dies stay Waiting
/// until they are cancelled.
class Mutex {
  public:
    Mutex() noexcept : id_{detail::next_resource_id()} {}
    ~Mutex();
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    /// Unlocks when it dies.
    class [[nodiscard]] Lock {
      public:
        explicit Lock(Mutex& mutex) noexcept : mutex_{&mutex} {}
        Lock(Lock&& other) noexcept : mutex_{std::exchange(other.mutex_, nullptr)} {}
        Lock& operator=(Lock&& other) noexcept {
            std::swap(mutex_, other.mutex_);
            return *this;
        }
        ~Lock() {
            if (mutex_ != nullptr) mutex_->unlock();
        }

      private:
        Mutex* mutex_;
    };

    class [[nodiscard]] Waiter;
    /// Waits until no other task has it. Fires Wait with reason lock. A cancellation that comes when it is granted
    /// already arrives at the next await.
    Waiter lock() noexcept;
    /// What `Wait` tells as resource: unique in the process.
    std::uint64_t id() const noexcept { return id_; }

  private:
    void unlock() noexcept;

    std::uint64_t id_;
    bool locked_ = false;
    detail::WaitList waiting_;
};

class Mutex::Waiter : public detail::Awaiter<detail::SharedOperation> {
  public:
    explicit Waiter(Mutex& mutex) noexcept
        : Awaiter{&try_lock, WaitReason::lock, mutex.id_, mutex.waiting_}, mutex_{mutex} {}
    ~Waiter() {
        if (granted) mutex_.unlock();  // it was destroyed before it went on
    }
    Lock await_resume() {
        if (!granted) detail::throw_if_cancelled(*this);
        granted = false;
        return Lock{mutex_};
    }
    bool granted = false;

  private:
    static bool try_lock(detail::SharedOperation& self) noexcept {
        auto& waiter = static_cast<Waiter&>(self);
        if (waiter.mutex_.locked_) return false;
        waiter.mutex_.locked_ = waiter.granted = true;
        return true;
    }
    Mutex& mutex_;
};

inline Mutex::Waiter Mutex::lock() noexcept {
    return Waiter{*this};
}

}  // namespace tiffany
