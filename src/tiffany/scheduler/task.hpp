#pragma once
/// A coroutine that a scheduler runs: `Task<T>` is what it returns.
///
///     Task<int> length(Event& loaded, const std::string& text) {
///         co_await loaded.wait();
///         co_return static_cast<int>(text.size());
///     }
///     Task<> print_length(Event& loaded, std::string text) { std::cout << co_await length(loaded, text) << '\n'; }
///
/// It begins to run when it is awaited, or when it was spawned and the scheduler comes to it. Its parameters are copied
/// into its frame; references and a lambda's captures are not: what they refer to must outlive it.

#include <concepts>
#include <coroutine>
#include <optional>
#include <tiffany/scheduler/detail/chain.hpp>
#include <type_traits>
#include <utility>

namespace tiffany {

template <typename T = void>
class Task;

namespace detail {

template <typename T>
struct TaskPromise : Promise {
    std::optional<T> result;

    Task<T> get_return_object() noexcept;
    template <typename U = T>
    requires std::constructible_from<T, U>
    void return_value(U&& value) { result.emplace(std::forward<U>(value)); }
    T take() { return std::move(*result); }
};

template <>
struct TaskPromise<void> : Promise {
    Task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const noexcept {}
};

}  // namespace detail

/// Owns a coroutine that did not begin yet. Moved, not copied. One that is dropped never runs.
template <typename T>
class [[nodiscard]] Task {
  public:
    using promise_type = detail::TaskPromise<T>;
    static_assert(!std::is_reference_v<T>, "return a pointer or a std::reference_wrapper");

    class Awaiter {
      public:
        explicit Awaiter(detail::Frame frame) noexcept : awaited_{.frame = std::move(frame)} {}
        bool await_ready() const noexcept { return false; }
        template <std::derived_from<detail::Promise> P>
        void await_suspend(std::coroutine_handle<P> caller) noexcept {
            detail::Promise& child = *awaited_.frame.promise();
            awaited_.parent = &caller.promise();
            child.awaited = &awaited_;
            child.chain = caller.promise().chain;
            child.chain->leaf = &child;
        }
        T await_resume() {
            static_assert(alignof(promise_type) <= 2 * sizeof(void*), "return a std::unique_ptr to what is so aligned");
            auto& promise = static_cast<promise_type&>(*awaited_.frame.promise());
            if (promise.chain->failed) detail::rethrow_error(*promise.chain);
            return promise.take();
        }

      private:
        detail::Awaited awaited_;
    };

    /// Runs it as a part of the awaiting task; its result, or its exception, comes out of the await.
    Awaiter operator co_await() && noexcept { return Awaiter{std::move(frame_)}; }

  private:
    friend promise_type;
    friend class SchedulerBase;
    explicit Task(detail::Promise& promise) noexcept : frame_{promise} {}

    detail::Frame frame_;
};

namespace detail {

template <typename T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
    return Task<T>{*this};
}

inline Task<void> TaskPromise<void>::get_return_object() noexcept {
    return Task<void>{*this};
}

}  // namespace detail
}  // namespace tiffany
