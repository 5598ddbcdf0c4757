// Ours. Compiled twice: with hooks, and stripped of them.

#include "scheduler_cases.hpp"

#include <thread>
#include <tiffany/scheduler/scheduler_pool.hpp>

namespace {

using bench::Setup;
using bench::Spent;
using namespace tiffany;
using namespace std::chrono_literals;

SchedulerOptions options(bool metrics) {
    return {.name = "bench", .metrics = metrics};
}

Task<> yields(std::size_t times) {
    for (std::size_t i = 0; i < times; ++i)
        co_await yield();
}

Task<> ends() {
    co_return;
}

// ---- the same answer ----

Task<> yields_in_order(bench::Order& order, std::uint64_t number) {
    for (std::uint64_t i = 0; i < bench::kCheckTimes; ++i) {
        order.add(number);
        co_await yield();
    }
}

Task<> sleeps_in_order(bench::Order& order, std::uint64_t begin_ns, std::uint64_t number) {
    co_await sleep_until(begin_ns + bench::check_deadline_ms(number) * 1'000'000);
    order.add(number);
}

std::uint64_t check(bool metrics) {
    Scheduler scheduler{options(metrics)};
    bench::Order order;
    for (std::uint64_t i = 0; i < bench::kCheckTasks; ++i)
        scheduler.spawn({}, yields_in_order(order, i));
    scheduler.run();
    const std::uint64_t begin_ns = scheduler.now_ns();
    for (std::uint64_t i = 0; i < bench::kCheckTasks; ++i)
        scheduler.spawn({}, sleeps_in_order(order, begin_ns, i));
    scheduler.run();
    for (std::uint64_t i = 0; i < bench::kCheckTasks; ++i)
        scheduler.post([&order, i] { order.add(i); });
    scheduler.run_until_idle();
    return order.sum();
}

// ---- what it costs ----

double yield_ns(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    for (std::size_t i = 0; i < setup.tasks; ++i)
        scheduler.spawn({}, yields(setup.times));
    const Spent spent;
    scheduler.run();
    return spent.ns_each(setup.tasks * setup.times);
}

Task<> stops() {
    (co_await this_scheduler()).stop();
}

Task<> yields_once_woken(std::size_t times) {
    co_await sleep_until_woken();
    for (std::size_t i = 0; i < times; ++i)
        co_await yield();
}

double yield_shuffled_ns(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    std::vector<TaskHandle> all;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        all.push_back(scheduler.spawn({}, yields_once_woken(setup.times)));
    scheduler.spawn({}, stops());
    scheduler.run();  // all sleep
    bench::shuffle(all);
    for (const TaskHandle& task : all)
        task.wake();
    const Spent spent;
    scheduler.run();
    return spent.ns_each(setup.tasks * setup.times);
}

double spawn_ns(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    const Spent spent;
    for (std::size_t i = 0; i < setup.times; ++i) {
        for (std::size_t j = 0; j < setup.tasks; ++j)
            scheduler.spawn({}, ends());
        scheduler.run();
    }
    return spent.ns_each(setup.tasks * setup.times);
}

Task<> sleeps(std::size_t& left, const std::uint64_t& begin_ns, std::uint64_t number) {
    const std::uint64_t after_ns = bench::kFirstWakeNs + bench::Random{number}.below(bench::kWakesNs);
    co_await yield();
    co_await sleep_until(begin_ns + after_ns);
    if (--left == 0) (co_await this_scheduler()).stop();
    co_await sleep_until_woken();  // the end of a task is another measurement
}

double sleep_ns(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    std::size_t left = setup.tasks;
    std::uint64_t begin_ns = 0;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        scheduler.spawn({}, sleeps(left, begin_ns, i));
    scheduler.spawn({}, stops());
    scheduler.run();  // all stand before their sleep
    begin_ns = scheduler.now_ns();
    const Spent spent;
    scheduler.run();
    return spent.ns_each(setup.tasks);
}

Task<> waits_for_stop() {
    co_await sleep_until_woken();
}

double post_ns(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    scheduler.spawn({}, waits_for_stop());
    std::size_t left = setup.times;
    const Spent spent{CLOCK_PROCESS_CPUTIME_ID};
    std::jthread other{[&] {
        for (std::size_t i = 0; i < setup.times; ++i)
            scheduler.post([&] {
                if (--left == 0) scheduler.stop();
            });
    }};
    scheduler.run();
    return spent.ns_each(setup.times);
}

double pool_yield_ns(const Setup& setup) {
    SchedulerPool pool{options(setup.metrics), {.workers = setup.workers}};
    const Spent spent{CLOCK_PROCESS_CPUTIME_ID};
    for (std::size_t i = 0; i < setup.tasks; ++i)
        pool.spawn({}, yields(setup.times));
    pool.wait();
    return spent.ns_each(setup.tasks * setup.times);
}

Task<> sleeps_long() {
    co_await sleep_for(1h);
}

bench::Bytes asleep(const Setup& setup) {
    Scheduler scheduler{options(setup.metrics)};
    const bench::Growth growth;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        scheduler.spawn({}, sleeps_long());
    scheduler.run_until_idle();
    return growth.each(setup.tasks);
}

constexpr bench::Cases kCases{check, yield_ns, yield_shuffled_ns, spawn_ns, sleep_ns, post_ns, pool_yield_ns, asleep};

}  // namespace

const bench::Cases* tiffany_scheduler_cases() {
    return &kCases;
}
