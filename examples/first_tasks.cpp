// The page docs/scheduler.md as a program: a task that works, one that watches it, one that is told of a failure.

#include <chrono>
#include <iostream>
#include <stdexcept>
#include <string>
#include <tiffany/scheduler/scheduler.hpp>

using namespace tiffany;
using namespace std::chrono_literals;

// [docs/scheduler.md]
Task<int> read_page(int number) {
    co_await sleep_for(1ms);  // a real one would await readable(fd)
    if (number == 3) throw std::runtime_error{"page 3 is torn"};
    co_return number * 100;
}

Task<> read_book(Event& finished) {
    for (int page = 1; page <= 3; ++page) {
        const int words = co_await read_page(page);
        std::cout << "page " << page << ": " << words << " words\n";
    }
    finished.set();
}

Task<> watch(TaskHandle book, Event& finished) {
    const bool in_time = co_await finished.wait(1s);
    if (!in_time) book.cancel();
}

Task<> tell(TaskHandle book) {
    try {
        co_await join(book);
    } catch (const TargetFailed& failed) {
        std::cout << "the book: " << failed.message() << '\n';
    }
    (co_await this_scheduler()).stop();
}

int main() {
    Event finished;
    Scheduler scheduler{{.name = "library"}};
    const TaskHandle book = scheduler.spawn({.name = "read book"}, read_book(finished));
    scheduler.spawn({.name = "watch", .priority = 20}, watch(book, finished));
    scheduler.spawn({.name = "tell"}, tell(book));
    scheduler.run();
    scheduler.close();  // ends `watch`, which still waits
    std::cout << scheduler.telemetry().transitions() << " transitions\n";
}
// [docs/scheduler.md]
