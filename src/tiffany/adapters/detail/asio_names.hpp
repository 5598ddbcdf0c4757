#pragma once
// What Asio's classes are called in files that are compiled with its handler tracking: otherwise than elsewhere, so
// that both kinds of files may be in one program. An operation that resumes a task has members of its own here, and its
// functions tell what they do; were its name the same, the linker would take one of two that do not fit each other.
//
// A tag is in the name of each class and function that has a tagged class among its template's arguments, parameters or
// results, and in no other name. So what Asio makes with neither the token of a co_await nor a coroutine's handler has
// one name in both kinds of files, and must have one layout.
//
// Included before Asio, whose classes inherit the tags of what is declared here.

#include <tiffany/adapters/detail/asio_thread.hpp>
#include <type_traits>

#define TIFFANY_ASIO_TAG [[gnu::abi_tag("tiffany")]]

namespace boost::asio {

template <typename, typename>
class awaitable;
template <typename>
struct TIFFANY_ASIO_TAG use_awaitable_t;

namespace detail {

template <typename>
class awaitable_thread;
template <typename, typename...>
class TIFFANY_ASIO_TAG awaitable_handler;
template <typename>
class TIFFANY_ASIO_TAG initiate_co_spawn;
template <typename Value, typename Executor, typename Function, typename Handler>
TIFFANY_ASIO_TAG awaitable<void, Executor> co_spawn_entry_point(awaitable<Value, Executor>*, Executor, Function,
                                                                Handler);
template <typename Executor, typename Function, typename Handler>
TIFFANY_ASIO_TAG awaitable<void, Executor> co_spawn_entry_point(awaitable<void, Executor>*, Executor, Function,
                                                                Handler);

}  // namespace detail
}  // namespace boost::asio

#undef TIFFANY_ASIO_TAG

namespace tiffany::detail {

/// In place of a file's name: a co_await's.
struct AsioAwaiting {};

}  // namespace tiffany::detail

namespace boost::asio {

/// Without members, as it is without handler tracking: classes of a program hold it.
template <typename Executor>
requires true struct use_awaitable_t<Executor> {
    constexpr use_awaitable_t() {}  // as there, not trivial. NOLINT(modernize-use-equals-default)
    constexpr use_awaitable_t(const char* /*file*/, int /*line*/, const char* /*function*/) {}

    /// An executor of objects whose operations have this token if they are given none.
    template <typename Inner>
    struct executor_with_default : Inner {
        using default_completion_token_type = use_awaitable_t;

        executor_with_default(const Inner& inner) noexcept : Inner(inner) {}
        template <typename Other>
        requires std::is_convertible_v<Other, Inner> executor_with_default(const Other& other)
        noexcept : Inner(other) {}
    };
    template <typename Object>
    using as_default_on_t =
        typename Object::template rebind_executor<executor_with_default<typename Object::executor_type>>::other;
    template <typename Object>
    static as_default_on_t<std::decay_t<Object>> as_default_on(Object&& object) {
        return as_default_on_t<std::decay_t<Object>>(static_cast<Object&&>(object));
    }

    // what handler tracking is given
    static constexpr tiffany::detail::AsioAwaiting file_name_{};
    static constexpr int line_ = 0;
    static constexpr const char* function_name_ = nullptr;
};

namespace detail {

/// What begins a coroutine that is co_spawned.
template <typename Executor>
class awaitable_handler<Executor, void> : public awaitable_thread<Executor> {
  public:
    using awaitable_thread<Executor>::awaitable_thread;

    void launch() {
        const tiffany::detail::AsioBeginning beginning;
        awaitable_thread<Executor>::launch();
    }
};

}  // namespace detail
}  // namespace boost::asio
