#pragma once
/// Values from task to task, in order, with a bound on how many are under way.
///
///     Channel<Page> pages{16};
///     co_await pages.send(page);                        // waits while 16 are under way; false: it is closed
///     const std::optional<Page> page = co_await pages.receive();   // nullopt: closed, and nothing is left
///     pages.close();

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <tiffany/scheduler/await.hpp>
#include <tiffany/scheduler/detail/wait_list.hpp>
#include <tiffany/scheduler/event.hpp>
#include <type_traits>
#include <utility>
#include <vector>

namespace tiffany {

/// Shared by the tasks of one scheduler, first come, first served. Tasks that still wait when it dies stay Waiting
/// until they are cancelled. Moving a T throws nothing, and calls nothing of the scheduler's: a pool's lock is held
/// meanwhile.
template <typename T>
class Channel {
    static_assert(std::is_nothrow_move_constructible_v<T>, "a value is moved where nothing may be thrown");

  public:
    /// Errors: std::invalid_argument, `capacity` is 0; std::bad_alloc.
    explicit Channel(std::size_t capacity) : id_{detail::next_resource_id()}, ring_(capacity) {
        if (capacity == 0)
            throw std::invalid_argument{"cannot make a channel without room for a value: its capacity is 0"};
    }
    ~Channel() {
        const detail::SharedGuard guard{senders_, receivers_};
        senders_.clear();
        receivers_.clear();
    }
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;

    class [[nodiscard]] Sender;
    class [[nodiscard]] Receiver;
    /// Waits while the channel is full. Fires Wait with reason channel. co_await gives false, and the value is dropped,
    /// if the channel is closed, or was closed meanwhile.
    Sender send(T value) noexcept { return Sender{*this, std::move(value)}; }
    /// Waits for a value. Fires Wait with reason channel. co_await gives nothing when the channel is closed and all
    /// that was sent was received. A value that is granted is not lost: a cancellation that comes then arrives at the
    /// next await.
    Receiver receive() noexcept { return Receiver{*this}; }
    /// Wakes all that wait. Closing twice is harmless.
    void close() noexcept;
    /// What `Wait` tells as resource: unique in the process.
    std::uint64_t id() const noexcept { return id_; }

  private:
    void push(T&& value) noexcept { ring_[(first_ + count_++) % ring_.size()].emplace(std::move(value)); }
    T pop() noexcept {
        std::optional<T>& place = ring_[first_];
        T value = std::move(*place);
        place.reset();
        first_ = (first_ + 1) % ring_.size();
        --count_;
        return value;
    }

    std::uint64_t id_;
    bool closed_ = false;
    std::vector<std::optional<T>> ring_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    detail::WaitList senders_;
    detail::WaitList receivers_;
};

template <typename T>
class Channel<T>::Sender : public detail::Awaiter<detail::SharedOperation> {
  public:
    Sender(Channel& channel, T&& value) noexcept
        : detail::Awaiter<detail::SharedOperation>{&try_send, WaitReason::channel, channel.id_, channel.senders_},
          channel_{channel},
          value_{std::move(value)} {}
    bool await_resume() const {
        if (!sent_) detail::throw_if_cancelled(*this);
        return sent_;
    }

  private:
    friend Channel;
    static bool try_send(detail::SharedOperation& self) noexcept {
        auto& sender = static_cast<Sender&>(self);
        Channel& channel = sender.channel_;
        if (channel.closed_) return true;
        if (!channel.receivers_.empty()) {
            auto& receiver = static_cast<Receiver&>(*channel.receivers_.front());
            receiver.value_.emplace(std::move(sender.value_));
            detail::grant(receiver);
        } else if (channel.count_ < channel.ring_.size()) {
            channel.push(std::move(sender.value_));
        } else {
            return false;
        }
        return sender.sent_ = true;
    }
    Channel& channel_;
    T value_;
    bool sent_ = false;
};

template <typename T>
class Channel<T>::Receiver : public detail::Awaiter<detail::SharedOperation> {
  public:
    explicit Receiver(Channel& channel) noexcept
        : detail::Awaiter<detail::SharedOperation>{&try_receive, WaitReason::channel, channel.id_, channel.receivers_},
          channel_{channel} {}
    std::optional<T> await_resume() {
        if (!value_) detail::throw_if_cancelled(*this);
        return std::move(value_);
    }

  private:
    friend Channel;
    static bool try_receive(detail::SharedOperation& self) noexcept {
        auto& receiver = static_cast<Receiver&>(self);
        Channel& channel = receiver.channel_;
        if (channel.count_ == 0) return channel.closed_;
        receiver.value_.emplace(channel.pop());
        if (!channel.senders_.empty()) {
            auto& sender = static_cast<Sender&>(*channel.senders_.front());
            channel.push(std::move(sender.value_));
            sender.sent_ = true;
            detail::grant(sender);
        }
        return true;
    }
    Channel& channel_;
    std::optional<T> value_;
};

template <typename T>
void Channel<T>::close() noexcept {
    const detail::SharedGuard guard{senders_, receivers_};
    closed_ = true;
    for (detail::WaitList* const list : {&senders_, &receivers_})
        while (!list->empty())
            detail::grant(static_cast<detail::SharedOperation&>(*list->front()));
}

}  // namespace tiffany
