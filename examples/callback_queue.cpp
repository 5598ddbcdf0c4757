// Runs some callbacks on the scheduler in callback_queue.hpp.
//
// Look at it: paltrace record --convert -- callback_queue

#include "callback_queue.hpp"

#include <iostream>

using namespace example;

int main() {
    SchedulerTelemetry telemetry{"callback-queue"};
    {
        CallbackQueue queue{telemetry};
        for (int i = 0; i < 1000; ++i)
            queue.spawn("count down", [left = i % 7]() mutable { return left-- > 0; });
        queue.spawn("parent", [&queue] {
            queue.spawn("child", [] { return false; });
            return false;
        });
        queue.spawn("fail", []() -> bool { throw std::runtime_error{"no such page"}; });
        queue.run();
        queue.spawn("too late", [] { return false; });
    }
    std::cout << "callback_queue: " << telemetry.transitions() << " transitions\n";
}
