#include <atomic>
#include <tiffany/scheduler/event.hpp>

#include "engine.hpp"

namespace tiffany {
namespace {

std::uint64_t next_id() noexcept {
    static std::atomic<std::uint64_t> last{0};
    return last.fetch_add(1, std::memory_order_relaxed) + 1;  // relaxed: only uniqueness matters
}

}  // namespace

Event::Event() noexcept : id_{next_id()} {}

void Event::set() noexcept {
    set_ = true;
    while (!waiting_.empty()) {
        detail::TaskCore& task = *waiting_.front();
        task.engine->make_ready(task, WakeCause::event, task.engine->current_tid());
    }
}

namespace detail {

bool suspend_wait(Chain& chain, Event& event, std::chrono::nanoseconds timeout) noexcept {
    auto& task = static_cast<TaskCore&>(chain);
    task.timed_out = false;
    if (task.requested || event.set_) return false;
    return task.engine->wait(task, event.waiting_, event.id_, timeout);
}

}  // namespace detail
}  // namespace tiffany
