// The least that could do it: coroutines in a ring, resumed by turns.

#include <coroutine>
#include <exception>
#include <vector>

#include "scheduler_cases.hpp"

namespace bench {
namespace {

struct Bare {
    struct promise_type {
        Bare get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() const noexcept { std::terminate(); }
    };
    std::coroutine_handle<> handle;
};

Bare yields(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i)
        co_await std::suspend_always{};
}

Bare ends() {
    co_return;
}

double yield_in_order(const Setup& setup, bool shuffled) {
    std::vector<std::coroutine_handle<>> ring;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        ring.push_back(yields(setup.times).handle);
    if (shuffled) shuffle(ring);
    const Spent spent;
    for (std::size_t i = 0; i < setup.times; ++i)
        for (const std::coroutine_handle<> handle : ring)
            handle.resume();
    const double ns = spent.ns_each(setup.tasks * setup.times);
    for (const std::coroutine_handle<> handle : ring)
        handle.destroy();
    return ns;
}

double yield_ns(const Setup& setup) {
    return yield_in_order(setup, false);
}

double yield_shuffled_ns(const Setup& setup) {
    return yield_in_order(setup, true);
}

double spawn_ns(const Setup& setup) {
    std::vector<std::coroutine_handle<>> ring;
    ring.reserve(setup.tasks);
    const Spent spent;
    for (std::size_t i = 0; i < setup.times; ++i) {
        for (std::size_t j = 0; j < setup.tasks; ++j)
            ring.push_back(ends().handle);
        for (const std::coroutine_handle<> handle : ring) {
            handle.resume();
            handle.destroy();
        }
        ring.clear();
    }
    return spent.ns_each(setup.tasks * setup.times);
}

constexpr Cases kCases{.yield = yield_ns, .yield_shuffled = yield_shuffled_ns, .spawn = spawn_ns};

}  // namespace

const Cases& bare_cases() {
    return kCases;
}

}  // namespace bench
