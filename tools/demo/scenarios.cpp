#include "scenarios.hpp"

#include <stdexcept>
#include <string>

namespace tiffany::demo {
namespace {

using namespace std::chrono_literals;

/// Before the one who spawns it goes on, also when many tasks are ready: the scene relies on where it is then.
constexpr std::uint8_t kFirst = 0;

Task<> check_block(int number) {
    co_await yield();
    throw std::runtime_error{"block " + std::to_string(number) + " has a wrong checksum"};
}

Task<> part() {
    co_await sleep_for(50us);
}

Task<> wait_for(Event& event) {
    co_await event.wait();
}

Task<> sleep_long() {
    co_await sleep_for(24h);
}

Task<> finish_all_the_same() {
    try {
        co_await sleep_for(24h);
    } catch (const TaskCancelled&) {
        // what it holds is put away, and the task ends as Done
    }
}

/// Computes for so long without giving way, then gives way once.
Task<> burn(std::chrono::nanoseconds time) {
    const SchedulerBase& scheduler = co_await this_scheduler();
    const std::uint64_t end = scheduler.now_ns() + static_cast<std::uint64_t>(time.count());
    while (scheduler.now_ns() < end) {
    }
    co_await yield();
}

Task<> sleep_once() {
    co_await sleep_until_woken();
}

/// A join of a task that is meant to end as Cancelled.
Task<> join_cancelled(TaskHandle task) {
    try {
        co_await join(task);
    } catch (const TargetCancelled&) {
        co_return;
    }
    throw std::logic_error{"a cancelled task finished"};
}

}  // namespace

Task<> failing_task() {
    SchedulerBase& scheduler = co_await this_scheduler();
    const TaskHandle check = scheduler.spawn({.name = "check block"}, check_block(7));
    try {
        co_await join(check);
    } catch (const TargetFailed&) {
        co_return;
    }
    throw std::logic_error{"a failing task finished"};
}

Task<> events() {
    SchedulerBase& scheduler = co_await this_scheduler();
    Event loaded;
    const TaskHandle first = scheduler.spawn({.name = "reader of a page", .priority = kFirst}, wait_for(loaded));
    const TaskHandle second = scheduler.spawn({.name = "reader of a page", .priority = kFirst}, wait_for(loaded));
    co_await sleep_for(10us);
    loaded.set();
    co_await join(first);
    co_await join(second);
}

Task<> dependencies() {
    SchedulerBase& scheduler = co_await this_scheduler();
    const TaskHandle first = scheduler.spawn({.name = "compile"}, part());
    const TaskHandle second = scheduler.spawn({.name = "compile"}, part());
    const TaskRef parts[] = {first, second};
    const TaskHandle link = scheduler.spawn({.name = "link", .dependencies = parts}, part());

    const TaskHandle check = scheduler.spawn({.name = "check block"}, check_block(8));
    const TaskRef checked[] = {check};
    const TaskHandle publish = scheduler.spawn({.name = "publish", .dependencies = checked}, part());
    co_await join_cancelled(publish);
    co_await join(link);
}

Task<> cancellations() {
    SchedulerBase& scheduler = co_await this_scheduler();
    Event never;
    const TaskHandle sleeping = scheduler.spawn({.name = "sleeper", .priority = kFirst}, sleep_long());
    const TaskHandle waiting = scheduler.spawn({.name = "waiter", .priority = kFirst}, wait_for(never));
    const TaskHandle stubborn = scheduler.spawn({.name = "stubborn", .priority = kFirst}, finish_all_the_same());
    co_await sleep_for(10us);
    const TaskHandle ready = scheduler.spawn({.name = "never begun"}, part());
    for (const TaskHandle& task : {sleeping, waiting, stubborn, ready})
        task.cancel();
    co_await join_cancelled(sleeping);
    co_await join_cancelled(waiting);
    co_await join_cancelled(ready);
    co_await join(stubborn);
}

Task<> timeouts() {
    SchedulerBase& scheduler = co_await this_scheduler();
    Event never;
    const TaskHandle sleeping = scheduler.spawn({.name = "sleeper", .priority = kFirst}, sleep_long());
    const bool joined = co_await join_for(sleeping, 20us);
    const bool set = co_await never.wait(20us);
    if (joined || set) throw std::logic_error{"a time-out did not come"};
    sleeping.cancel();
    co_await join_cancelled(sleeping);
}

Task<> throttling(std::uint16_t group) {
    SchedulerBase& scheduler = co_await this_scheduler();
    const TaskHandle rude = scheduler.spawn({.name = "burner", .group = group}, burn(1200us));
    co_await join(rude);
    SpawnOptions limited;
    limited.name = "limited burner";
    limited.group = group;
    limited.budget = 100us;
    limited.budget_period = 10ms;  // a busy machine may let it begin so late
    const TaskHandle over = scheduler.spawn(limited, burn(150us));
    co_await join(over);
}

Task<> wake_from_another_thread(OtherThread& other) {
    SchedulerBase& scheduler = co_await this_scheduler();
    const TaskHandle sleeper = scheduler.spawn({.name = "mailbox", .priority = kFirst}, sleep_once());
    co_await sleep_for(10us);  // so that it sleeps when it is woken
    other.wake(sleeper);
    co_await join(sleeper);
}

Task<> every_scenario(const Groups& groups, OtherThread& other) {
    co_await failing_task();
    co_await events();
    co_await dependencies();
    co_await cancellations();
    co_await timeouts();
    co_await throttling(groups.batch);
    co_await wake_from_another_thread(other);
}

}  // namespace tiffany::demo
