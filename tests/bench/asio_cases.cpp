// Boost.Asio: coroutines in an io_context, and timers without coroutines.

#include "scheduler_cases.hpp"

#ifdef BENCH_HAS_ASIO
#include <boost/asio/detail/config.hpp>
#endif

#ifndef BOOST_ASIO_HAS_CO_AWAIT  // it was not found, or is too old for this compiler's coroutines

namespace bench {
const Cases* asio_cases() {
    return nullptr;
}
const Cases* asio_timer_cases() {
    return nullptr;
}
}  // namespace bench

#else

#include <utility>  // which Asio 1.74 forgets

#include <boost/asio.hpp>
#include <deque>
#include <thread>
#include <vector>

namespace bench {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using asio::detached;
using asio::use_awaitable;

/// No lock: one thread at a time.
constexpr int kOneThread = BOOST_ASIO_CONCURRENCY_HINT_UNSAFE;

awaitable<void> yields(std::size_t times) {
    const auto executor = co_await asio::this_coro::executor;
    for (std::size_t i = 0; i < times; ++i)
        co_await asio::post(executor, use_awaitable);
}

awaitable<void> ends() {
    co_return;
}

awaitable<void> yields_in_order(Order& order, std::uint64_t number) {
    const auto executor = co_await asio::this_coro::executor;
    for (std::uint64_t i = 0; i < kCheckTimes; ++i) {
        order.add(number);
        co_await asio::post(executor, use_awaitable);
    }
}

using Time = std::chrono::steady_clock::time_point;

awaitable<void> sleeps_in_order(Order& order, Time begin, std::uint64_t number) {
    const Time deadline = begin + std::chrono::milliseconds{check_deadline_ms(number)};
    asio::steady_timer timer{co_await asio::this_coro::executor, deadline};
    co_await timer.async_wait(use_awaitable);
    order.add(number);
}

std::uint64_t check(bool) {
    asio::io_context context{kOneThread};
    Order order;
    for (std::uint64_t i = 0; i < kCheckTasks; ++i)
        asio::co_spawn(context, yields_in_order(order, i), detached);
    context.run();
    context.restart();
    const Time begin = std::chrono::steady_clock::now();
    for (std::uint64_t i = 0; i < kCheckTasks; ++i)
        asio::co_spawn(context, sleeps_in_order(order, begin, i), detached);
    context.run();
    context.restart();
    for (std::uint64_t i = 0; i < kCheckTasks; ++i)
        asio::post(context, [&order, i] { order.add(i); });
    context.run();
    return order.sum();
}

double yield_ns(const Setup& setup) {
    asio::io_context context{kOneThread};
    for (std::size_t i = 0; i < setup.tasks; ++i)
        asio::co_spawn(context, yields(setup.times), detached);
    const Spent spent;
    context.run();
    return spent.ns_each(setup.tasks * setup.times);
}

double spawn_ns(const Setup& setup) {
    asio::io_context context{kOneThread};
    const Spent spent;
    for (std::size_t i = 0; i < setup.times; ++i) {
        for (std::size_t j = 0; j < setup.tasks; ++j)
            asio::co_spawn(context, ends(), detached);
        context.run();
        context.restart();
    }
    return spent.ns_each(setup.tasks * setup.times);
}

std::chrono::nanoseconds sleep_of(std::uint64_t number) {
    return std::chrono::nanoseconds{kFirstWakeNs + Random{number}.below(kWakesNs)};
}

awaitable<void> sleeps(asio::io_context& context, const Time& begin, std::uint64_t number) {
    asio::steady_timer timer{context};
    const std::chrono::nanoseconds after = sleep_of(number);
    co_await asio::post(context, use_awaitable);
    timer.expires_at(begin + after);
    co_await timer.async_wait(use_awaitable);
}

double sleep_ns(const Setup& setup) {
    asio::io_context context{kOneThread};
    Time begin;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        asio::co_spawn(context, sleeps(context, begin, i), detached);
    for (std::size_t i = 0; i < setup.tasks; ++i)
        context.run_one();  // to its first await
    begin = std::chrono::steady_clock::now();
    const Spent spent;
    context.run();
    return spent.ns_each(setup.tasks);
}

double post_ns(const Setup& setup) {
    asio::io_context context;
    const auto work = asio::make_work_guard(context);
    std::size_t left = setup.times;
    const Spent spent{CLOCK_PROCESS_CPUTIME_ID};
    std::jthread other{[&] {
        for (std::size_t i = 0; i < setup.times; ++i)
            asio::post(context, [&] {
                if (--left == 0) context.stop();
            });
    }};
    context.run();
    return spent.ns_each(setup.times);
}

double pool_yield_ns(const Setup& setup) {
    asio::io_context context{static_cast<int>(setup.workers)};
    const Spent spent{CLOCK_PROCESS_CPUTIME_ID};
    for (std::size_t i = 0; i < setup.tasks; ++i)
        asio::co_spawn(context, yields(setup.times), detached);
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < setup.workers; ++i)
        threads.emplace_back([&] { context.run(); });
    threads.clear();
    return spent.ns_each(setup.tasks * setup.times);
}

awaitable<void> sleeps_long() {
    asio::steady_timer timer{co_await asio::this_coro::executor, std::chrono::hours{1}};
    co_await timer.async_wait(use_awaitable);
}

Bytes asleep(const Setup& setup) {
    asio::io_context context{kOneThread};
    const Growth growth;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        asio::co_spawn(context, sleeps_long(), detached);
    context.poll();
    return growth.each(setup.tasks);
}

// ---- timers without coroutines ----

double timer_sleep_ns(const Setup& setup) {
    asio::io_context context{kOneThread};
    std::size_t left = setup.tasks;
    std::vector<std::chrono::nanoseconds> after;
    std::deque<asio::steady_timer> timers;
    for (std::size_t i = 0; i < setup.tasks; ++i) {
        after.push_back(sleep_of(i));
        timers.emplace_back(context);
    }
    const Time begin = std::chrono::steady_clock::now();
    const Spent spent;
    for (std::size_t i = 0; i < setup.tasks; ++i) {
        timers[i].expires_at(begin + after[i]);
        timers[i].async_wait([&left](const boost::system::error_code& error) { left -= error ? 0 : 1; });
    }
    context.run();
    const double ns = spent.ns_each(setup.tasks);
    return left == 0 ? ns : -1;
}

Bytes timer_asleep(const Setup& setup) {
    asio::io_context context{kOneThread};
    const Growth growth;
    std::deque<asio::steady_timer> timers;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        timers.emplace_back(context, std::chrono::hours{1}).async_wait([](const boost::system::error_code&) {});
    context.poll();
    return growth.each(setup.tasks);
}

constexpr Cases kCoroutines{check, yield_ns, nullptr, spawn_ns, sleep_ns, post_ns, pool_yield_ns, asleep};
constexpr Cases kTimers{.sleep = timer_sleep_ns, .asleep = timer_asleep};

}  // namespace

const Cases* asio_cases() {
    return &kCoroutines;
}
const Cases* asio_timer_cases() {
    return &kTimers;
}

}  // namespace bench

#endif
