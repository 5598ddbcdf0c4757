// Runs jobs on the scheduler in shared_queue.hpp, while a thread outside wakes those that wait.
//
// Look at it: paltrace record --convert -- shared_queue

#include "shared_queue.hpp"

#include <barrier>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace example;

int main() {
    constexpr int kThreads = 4;
    Pool pool{kThreads};
    std::barrier everybody{kThreads};
    for (int i = 0; i < kThreads; ++i)  // so each thread runs one of these
        pool.spawn("meet", [&] { return everybody.arrive_and_wait(), Next::end; });
    std::vector<std::shared_ptr<Job>> waiters;
    for (int i = 0; i < 300; ++i) {
        pool.spawn("count down", [left = i % 7]() mutable { return left-- > 0 ? Next::again : Next::end; });
        waiters.push_back(pool.spawn(
            "wait", [first = true]() mutable { return std::exchange(first, false) ? Next::wait : Next::end; }));
    }
    const std::jthread waker{[&] {
        pool.settle();  // a wake that comes before the wait would be no wake
        for (const auto& job : waiters)
            pool.wake(job);
    }};
    std::cout << "shared_queue: " << pool.run() << " transitions\n";
}
