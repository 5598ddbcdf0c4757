#pragma once
/// Boost.Asio's coroutines as tasks: each has a name, a site, runs, sleeps, waits for descriptors, joins and an end.
///
///     tiffany::asio::Telemetry telemetry{"server"};      // before the context, which dies first
///     boost::asio::io_context context;
///     tiffany::asio::co_spawn(context, telemetry, {.name = "listener"}, listen(), boost::asio::detached);
///     context.run();                                      // or tiffany::asio::run(context, telemetry)
///
/// A program changes only where it spawns. It links tiffany::asio, which defines BOOST_ASIO_CUSTOM_HANDLER_TRACKING for
/// its files: what a coroutine waits for is told by Asio's operations. Files without the macro, of a library that was
/// compiled before, may be in the same program: what their coroutines await in a task is Wait (reason other).
///
/// What is told: a `co_await` of a timer is Sleep (dur_ns: until its expiry), of an operation on a socket or descriptor
/// IoWait, of a post to its own executor Yield, of a coroutine that was spawned here Join, of all else Wait (reason
/// other). Each step of a composed operation is a run of its own. Where Asio suspends though the thing is ready, that
/// is told, too. What is called by callbacks, and coroutines spawned by boost::asio::co_spawn, are no tasks; what such
/// a coroutine does on a task's executor counts as the task's where the task waits for a thing unknown: spawn it here.
///
/// An operation that ends by operation_aborted is Ready (cause cancel). If that exception leaves the coroutine it ends
/// as Cancelled (cause asked), after any other one as Failed; one that is destroyed where it is suspended as Cancelled
/// (destroyed).

#include <tiffany/adapters/asio_executor.hpp>
#include <tiffany/adapters/asio_telemetry.hpp>
#include <tiffany/adapters/task_info.hpp>
#include <utility>  // Asio 1.74 forgets it

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/system_error.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <type_traits>
#include <typeinfo>

#ifndef BOOST_ASIO_HAS_CO_AWAIT
#error "Boost.Asio has no coroutines for this compiler and language version; 1.74 has them for g++ with C++20"
#endif
#if TIFFANY_TELEMETRY && !defined(BOOST_ASIO_CUSTOM_HANDLER_TRACKING)
#error "link the target tiffany::asio: Asio must be compiled with its handler tracking"
#endif

namespace tiffany::asio {

using tiffany::TaskInfo;

}  // namespace tiffany::asio

#if TIFFANY_TELEMETRY

namespace tiffany::detail {

using AsioContextExecutor = boost::asio::io_context::executor_type;

/// What an executor holds, null if it is of another type: any_io_executor::target() of Asio 1.74 does not look.
template <typename Held>
const Held* asio_target(const boost::asio::any_io_executor& executor) {
    return executor.target_type() == typeid(Held) ? executor.template target<Held>() : nullptr;
}

/// What a task's executor hands on to: never a task's executor, so that they do not pile up where tasks spawn tasks.
inline AsioContextExecutor asio_inner(const AsioContextExecutor& executor) {
    return executor;
}
template <typename Inner>
Inner asio_inner(const asio::TaskExecutor<Inner>& executor) {
    return executor.inner();
}
inline boost::asio::any_io_executor asio_inner(const boost::asio::any_io_executor& executor) {
    if (const auto* task = asio_target<asio::TaskExecutor<AsioContextExecutor>>(executor)) return task->inner();
    if (const auto* task = asio_target<asio::TaskExecutor<boost::asio::any_io_executor>>(executor))
        return task->inner();
    return executor;
}
template <typename Executor>
boost::asio::any_io_executor asio_inner(const Executor& executor) {
    return asio_inner(boost::asio::any_io_executor{executor});
}

/// The task's own coroutine, around the user's.
template <typename Value, typename Executor, typename Function>
boost::asio::awaitable<Value, Executor> asio_run_task(boost::asio::awaitable<Value, Executor>*, AsioGuard guard,
                                                      Function function) {
    try {
        if constexpr (std::is_void_v<Value>) {
            co_await function();
            guard.done();
            co_return;
        } else {
            Value value = co_await function();
            guard.done();
            co_return std::move(value);
        }
    } catch (const boost::system::system_error& error) {
        guard.failed(error.code() == boost::asio::error::operation_aborted, error.what());
        throw;
    } catch (const std::exception& error) {
        guard.failed(false, error.what());
        throw;
    } catch (...) {
        guard.failed(false, "an exception of an unknown kind");
        throw;
    }
}

template <typename Function>
class AsioEntry {
  public:
    AsioEntry(AsioTaskRef task, Function function) : guard_{std::move(task)}, function_{std::move(function)} {}

    auto operator()() {
        using Awaitable = std::invoke_result_t<Function&>;
        return asio_run_task(static_cast<Awaitable*>(nullptr), std::move(guard_), std::move(function_));
    }

  private:
    AsioGuard guard_;
    Function function_;
};

/// Begins the task when it is known who waits for it.
template <typename Inner>
class AsioInitiation {
  public:
    using executor_type = Inner;

    AsioInitiation(Inner inner, asio::Telemetry& telemetry, const SpawnInfo& info)
        : inner_{std::move(inner)}, telemetry_{&telemetry}, info_{info} {}

    executor_type get_executor() const noexcept { return inner_; }

    template <typename Handler, typename Function>
    void operator()(Handler&& handler, Function&& function) const {
        // an any_io_executor in another one: each of its copies, and there are some in an await, allocates
        if constexpr (std::is_same_v<Inner, boost::asio::any_io_executor>)
            if (const auto* const context = asio_target<AsioContextExecutor>(inner_))
                return begin(*context, std::forward<Handler>(handler), std::forward<Function>(function));
        begin(inner_, std::forward<Handler>(handler), std::forward<Function>(function));
    }

  private:
    template <typename Executor, typename Handler, typename Function>
    void begin(const Executor& inner, Handler&& handler, Function&& function) const {
        AsioTaskRef task = AsioTask::spawn(*telemetry_, info_);
        const asio::TaskExecutor<Executor> executor{inner, task};
        if constexpr (std::is_base_of_v<AsioPlace, asio::TaskExecutor<Executor>>)
            task->set_place_type(typeid(asio::TaskExecutor<Executor>));
        AsioEntry<std::decay_t<Function>> entry{task, std::forward<Function>(function)};
        if constexpr (kResumesCoroutine<std::decay_t<Handler>>) task->joined_here();
        boost::asio::co_spawn(executor, std::move(entry), std::forward<Handler>(handler));
    }

    Inner inner_;
    asio::Telemetry* telemetry_;
    SpawnInfo info_;
};

template <typename Value, typename Executor>
struct AsioGivenAwaitable {
    boost::asio::awaitable<Value, Executor> awaitable;
    boost::asio::awaitable<Value, Executor> operator()() { return std::move(awaitable); }
};

template <typename Function>
using AsioSignature =
    typename boost::asio::detail::awaitable_signature<std::invoke_result_t<std::decay_t<Function>&>>::type;

}  // namespace tiffany::detail

#endif

namespace tiffany::asio {

/// Spawns a coroutine as a task. Otherwise as boost::asio::co_spawn: `function` returns the awaitable, and is called
/// when the task begins; the token's handler gets the exception that left it, and its value.
///
/// @param executor   where it runs; a task's own executor (`this_coro::executor`) is that task's inner one
/// @param telemetry  outlives the task
/// Any thread. Cost: an allocation, a lock, and those of boost::asio::co_spawn. Errors: std::bad_alloc.
template <typename Executor, typename Function, typename CompletionToken>
requires(boost::asio::execution::is_executor<Executor>::value&&
             std::is_invocable_v<std::decay_t<Function>&>) auto co_spawn(const Executor& executor, Telemetry& telemetry,
                                                                         const TaskInfo& info, Function&& function,
                                                                         CompletionToken&& token,
                                                                         Site site = Site::here()) {
#if TIFFANY_TELEMETRY
    auto inner = tiffany::detail::asio_inner(executor);
    return boost::asio::async_initiate<CompletionToken, tiffany::detail::AsioSignature<Function>>(
        tiffany::detail::AsioInitiation<decltype(inner)>{inner, telemetry, info.at(site)}, token,
        std::forward<Function>(function));
#else
    static_cast<void>(telemetry), static_cast<void>(info), static_cast<void>(site);
    return boost::asio::co_spawn(executor, std::forward<Function>(function), std::forward<CompletionToken>(token));
#endif
}

/// The same for an awaitable.
template <typename Executor, typename Value, typename AwaitableExecutor, typename CompletionToken>
requires(boost::asio::execution::is_executor<Executor>::value) auto co_spawn(
    const Executor& executor, Telemetry& telemetry, const TaskInfo& info,
    boost::asio::awaitable<Value, AwaitableExecutor> awaitable, CompletionToken&& token, Site site = Site::here()) {
#if TIFFANY_TELEMETRY
    return co_spawn(executor, telemetry, info,
                    tiffany::detail::AsioGivenAwaitable<Value, AwaitableExecutor>{std::move(awaitable)},
                    std::forward<CompletionToken>(token), site);
#else
    static_cast<void>(telemetry), static_cast<void>(info), static_cast<void>(site);
    return boost::asio::co_spawn(executor, std::move(awaitable), std::forward<CompletionToken>(token));
#endif
}

/// The same in an execution context.
template <typename Context, typename Work, typename CompletionToken>
requires(std::is_convertible_v<Context&, boost::asio::execution_context&>) auto co_spawn(
    Context& context, Telemetry& telemetry, const TaskInfo& info, Work&& work, CompletionToken&& token,
    Site site = Site::here()) {
    return co_spawn(context.get_executor(), telemetry, info, std::forward<Work>(work),
                    std::forward<CompletionToken>(token), site);
}

/// Runs a context on this thread until it is stopped or out of work, as `context.run()` does; with a worker of its own,
/// ticks around the runs of tasks, and parks. A thread that calls `context.run()` gets a foreign thread's worker: it
/// tells of all transitions, but not that it is idle, and a tracer that comes late learns of a task at its next event
/// only. Returns the number of handlers that were called. Any thread, several at a time. Cost beside run(): a look at
/// the descriptors for each batch of handlers; while it is idle, it wakes once a second. Errors: std::bad_alloc;
/// std::logic_error, the thread holds a worker of this telemetry already; what a handler throws.
inline std::size_t run(boost::asio::io_context& context, Telemetry& telemetry) {
#if TIFFANY_TELEMETRY
    tiffany::detail::AsioLoop loop{telemetry};
    std::size_t handlers = 0;
    while (!context.stopped()) {
        std::size_t ran = context.poll();
        if (ran == 0 && !context.stopped()) {
            const std::chrono::nanoseconds longest{static_cast<std::int64_t>(loop.park())};
            ran = context.run_one_for(longest);
            loop.unpark();
        }
        handlers += ran;
    }
    return handlers;
#else
    static_cast<void>(telemetry);
    return context.run();
#endif
}

}  // namespace tiffany::asio
