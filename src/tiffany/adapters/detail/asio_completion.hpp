#pragma once
// The end of an operation of Asio whose handler resumes a task on the task's own io_context: it is called where it is.
//
// Asio 1.74 keeps with an operation its handler's executor, as work, and gives it the handler when the operation ends:
// some six copies and moves of an any_io_executor, an allocation and a function behind a pointer, only to find that the
// thread runs the context already. Asio leaves that out for handlers whose executor it knows to be the context's own;
// this says the same of a task's.
//
// Operations have other members by that, and so they have other names (asio_names.hpp). Included before Asio, whose
// classes are declared here, not known.

#include <boost/version.hpp>
#include <concepts>
#include <cstdint>
#include <optional>
#include <tiffany/adapters/detail/asio_handlers.hpp>
#include <tiffany/adapters/detail/asio_run.hpp>
#include <type_traits>
#include <typeinfo>

#if BOOST_VERSION / 100 != 1074
#error "tiffany::asio is made for Boost 1.74: what it says of Asio's own classes need not be so in another version"
#endif

namespace boost::asio {

class execution_context;
template <typename, typename>
struct associated_executor;
namespace execution {
template <typename...>
class any_executor;
}
namespace detail {
template <typename, typename, typename>
class handler_work;
}

}  // namespace boost::asio

namespace tiffany::detail {

/// As a parameter of handler_work: Asio's own.
struct AsioGeneral {};

/// The task that runs here, if an operation with this handler resumes it on its own io_context, and the operation's
/// object is of that context, too; else null.
template <typename Handler, typename... Properties>
AsioTask* asio_resumes_here(const Handler& handler,
                            const boost::asio::execution::any_executor<Properties...>& object) noexcept {
    using Executor = boost::asio::execution::any_executor<Properties...>;
    AsioTask* const task = asio_may_suspend();
    if (task == nullptr || task->place_type() == nullptr) return nullptr;
    const Executor& its = AsioExecutorOf<Handler, Executor>::get(handler, object);
    if (its.target_type() != *task->place_type()) return nullptr;
    const AsioPlace& place = *its.template target<AsioPlace>();  // by its address alone: Asio 1.74 looks at no type
    const boost::asio::execution_context* const context = &object.context();
    return &*place.task == task && place.context() == reinterpret_cast<std::uintptr_t>(context) ? task : nullptr;
}

/// Whether a handler resumes a coroutine, by an executor that may be a task's.
template <typename Handler, typename Executor>
concept AsioResumesByAny = kResumesCoroutine<Handler> && requires(Executor executor) {
    { executor.context() } -> std::same_as<boost::asio::execution_context&>;
    requires std::is_same_v<typename boost::asio::associated_executor<Handler, Executor>::type, Executor>;
} && !requires {
    typename boost::asio::associated_executor<Handler, Executor>::asio_associated_executor_is_unspecialised;
};

}  // namespace tiffany::detail

namespace boost::asio::detail {

/// What Asio does with a handler when its operation ends.
template <typename Handler, typename... Properties>
requires tiffany::detail::AsioResumesByAny<Handler, execution::any_executor<Properties...>>
class handler_work<Handler, execution::any_executor<Properties...>, void> {
    using Executor = execution::any_executor<Properties...>;
    using General = handler_work<Handler, Executor, tiffany::detail::AsioGeneral>;

  public:
    handler_work(Handler& handler, const Executor& object) noexcept
        : task_{tiffany::detail::asio_resumes_here(handler, object)} {
        if (task_ == nullptr) general_.emplace(handler, object);
    }

    template <typename Function>
    void complete(Function& function, Handler& handler) {
        if (task_ == nullptr) {
            general_->complete(function, handler);
            return;
        }
        const tiffany::detail::AsioRun run{*task_};
        function();
    }

  private:
    tiffany::detail::AsioTask* task_;  // the handler holds it
    std::optional<General> general_;   // if not
};

}  // namespace boost::asio::detail
