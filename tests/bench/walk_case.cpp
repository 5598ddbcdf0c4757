// The least that many sleepers cost: their memory is visited, once as each falls asleep, once in the order in which
// they wake. A task of two cache lines, a coroutine of two where malloc puts it, a timer; the way to the next lies in
// the task, as in a list.

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <numeric>
#include <vector>

#include "scheduler_cases.hpp"

namespace bench {
namespace {

using Lines = std::array<std::uint64_t, 14>;  // of a coroutine, as malloc places 112 bytes

struct alignas(64) Visited {
    std::uint64_t life = 0;
    alignas(64) Visited* next = nullptr;
    std::unique_ptr<Lines> coroutine;
};
struct Timer {
    std::uint64_t deadline = 0;
    std::uint64_t neighbours = 0;
};

/// On huge pages, where the kernel gives them, as the scheduler's tasks and timers are.
template <typename T>
T* on_huge_pages(std::size_t count) {
    constexpr std::size_t kHugePage = std::size_t{2} << 20;
    const std::size_t bytes = (count * sizeof(T) + kHugePage - 1) / kHugePage * kHugePage;
    void* const memory = std::aligned_alloc(kHugePage, bytes);
    if (memory == nullptr) throw std::bad_alloc{};
    madvise(memory, bytes, MADV_HUGEPAGE);
    T* const first = static_cast<T*>(memory);
    std::uninitialized_value_construct_n(first, count);
    return first;
}

void visit(Visited& task, Timer& timer, std::uint64_t what) {
    task.life += what;
    task.coroutine->front() += what;
    task.coroutine->back() += what;
    timer.neighbours += what;
}

/// The process ends after it: nothing is put away.
double sleep_ns(const Setup& setup) {
    auto* const tasks = on_huge_pages<Visited>(setup.tasks);
    auto* const timers = on_huge_pages<Timer>(setup.tasks);
    std::vector<std::size_t> order(setup.tasks);
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (const std::size_t i : order) {
        tasks[i].coroutine = std::make_unique<Lines>();
        timers[i].deadline = Random{i}.below(kWakesNs);
    }
    std::ranges::sort(order, {}, [&](std::size_t i) { return timers[i].deadline; });
    for (std::size_t i = 0; i + 1 < order.size(); ++i)
        tasks[order[i]].next = &tasks[order[i + 1]];
    const Spent spent;
    for (std::size_t i = 0; i < setup.tasks; ++i)
        visit(tasks[i], timers[i], 1);
    for (Visited* task = &tasks[order.front()]; task != nullptr; task = task->next)
        visit(*task, timers[task - tasks], 2);
    return spent.ns_each(setup.tasks);
}

constexpr Cases kCases{.sleep = sleep_ns};

}  // namespace

const Cases& walk_cases() {
    return kCases;
}

}  // namespace bench
