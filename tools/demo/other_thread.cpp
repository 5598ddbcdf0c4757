#include "other_thread.hpp"

#include <utility>

namespace tiffany::demo {
namespace {

Task<> message() {
    co_await yield();
}

}  // namespace

void OtherThread::wake(TaskHandle task) {
    {
        const std::lock_guard lock{mutex_};
        to_wake_.push_back(std::move(task));
    }
    changed_.notify_one();
}

void OtherThread::end() {
    {
        const std::lock_guard lock{mutex_};
        ending_ = true;
    }
    changed_.notify_one();
    if (thread_.joinable()) thread_.join();
}

void OtherThread::work() {
    std::unique_lock lock{mutex_};
    for (;;) {
        changed_.wait(lock, [&] { return ending_ || !to_wake_.empty(); });
        if (to_wake_.empty()) return;
        const std::vector<TaskHandle> tasks = std::exchange(to_wake_, {});
        lock.unlock();
        scheduler_.spawn({.name = "message from a thread"}, message());
        for (const TaskHandle& task : tasks)
            task.wake();
        lock.lock();
    }
}

}  // namespace tiffany::demo
