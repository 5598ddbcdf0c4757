#pragma once
// What the type of a handler of Asio tells: whether it resumes a coroutine, and how to come by its executor. Included
// before Asio: its classes are declared here, not known.

#include <tiffany/adapters/detail/asio_names.hpp>
#include <type_traits>

namespace boost::asio {

template <typename, typename>
struct associated_executor;
namespace detail {
// handlers of operations that call another one in the end
template <typename, typename, typename, typename, typename>
class read_op;
template <typename>
class redirect_error_handler;
template <typename, typename, typename, typename, typename>
class write_op;
}  // namespace detail

}  // namespace boost::asio

namespace tiffany::detail {

template <typename>
class AsioResume;

/// Whether a coroutine's handler is in a type: an operation's handler, or that of the composed operation that it is a
/// step of, and so on.
template <typename Type>
inline constexpr bool kResumesCoroutine = false;
template <template <typename...> class Template, typename... Types>
inline constexpr bool kResumesCoroutine<Template<Types...>> = (kResumesCoroutine<std::remove_cvref_t<Types>> || ...);
template <typename Executor, typename... Types>
inline constexpr bool kResumesCoroutine<boost::asio::detail::awaitable_handler<Executor, Types...>> = true;
// what a task's executor hands on: told already
template <typename Function>
inline constexpr bool kResumesCoroutine<AsioResume<Function>> = false;

/// A handler's executor: where it is known how to come by it without a copy, which would raise and lower a counter that
/// threads share.
template <typename Handler, typename Executor>
struct AsioExecutorOf {
    static Executor get(const Handler& handler, const Executor& object) noexcept {
        return boost::asio::associated_executor<Handler, Executor>::get(handler, object);
    }
};
template <typename Executor, typename... Results>
struct AsioExecutorOf<boost::asio::detail::awaitable_handler<Executor, Results...>, Executor> {
    using Thread = boost::asio::detail::awaitable_thread<Executor>;
    struct Derived : Thread {  // for whom the member is accessible
        static constexpr Executor Thread::*kExecutor = &Derived::executor_;
    };
    static const Executor& get(const Thread& handler, const Executor& /*object*/) noexcept {
        return handler.*Derived::kExecutor;
    }
};
template <typename Handler, typename Executor>
struct AsioWrapped {
    template <typename Wrapping>
    static decltype(auto) get(const Wrapping& wrapping, const Executor& object) noexcept {
        return AsioExecutorOf<Handler, Executor>::get(wrapping.handler_, object);
    }
};
template <typename Handler, typename Executor>
struct AsioExecutorOf<boost::asio::detail::redirect_error_handler<Handler>, Executor> : AsioWrapped<Handler, Executor> {
};
template <typename Stream, typename Buffers, typename Iterator, typename Condition, typename Handler, typename Executor>
struct AsioExecutorOf<boost::asio::detail::read_op<Stream, Buffers, Iterator, Condition, Handler>, Executor>
    : AsioWrapped<Handler, Executor> {};
template <typename Stream, typename Buffers, typename Iterator, typename Condition, typename Handler, typename Executor>
struct AsioExecutorOf<boost::asio::detail::write_op<Stream, Buffers, Iterator, Condition, Handler>, Executor>
    : AsioWrapped<Handler, Executor> {};

}  // namespace tiffany::detail
