// Joins that would never end.

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine.hpp"

namespace tiffany::detail {

std::string Engine::cycle_through(const TaskCore& joiner, const TaskCore& target) const {
    const TaskExtras* const extras = joiner.extras();
    const bool waited_for = !joiner.joiners.empty() || (extras != nullptr && !extras->dependents.empty());
    if (!waited_for && &joiner != &target && unseen_dependents_.load(std::memory_order_relaxed) == 0) return {};
    // depth first, from the target along what each waits for; a wait that a time ends is no part of a cycle
    struct Step {
        const TaskCore* task;
        std::size_t next = 0;
    };
    const auto waits_on = [](const TaskCore& task, std::size_t which) -> const TaskCore* {
        if (task.waiting != nullptr && task.waiting->waits_for == WaitsFor::join) {
            const auto& operation = static_cast<const JoinOperation&>(*task.waiting);
            return which == 0 && operation.waits_for_ever ? operation.target.core() : nullptr;
        }
        // or another thread spawned it, and its loop has not come to it yet
        const bool has_dependencies = task.waiting == &waits_for_dependencies() ||
                                      (task.waiting == nullptr && task.life.state() == TaskState::Waiting);
        if (!has_dependencies || which >= task.extras()->dependencies.all().size()) return nullptr;
        return task.extras()->dependencies.all()[which].on.core();
    };
    std::vector<Step> path{{&target}};
    std::unordered_set<const TaskCore*> seen;  // those have been followed
    while (!path.empty() && path.back().task != &joiner) {
        Step& last = path.back();
        const TaskCore* const next = waits_on(*last.task, last.next++);
        if (next == nullptr) {
            path.pop_back();
        } else if (seen.insert(next).second) {
            path.push_back({next});
        }
    }
    if (path.empty()) return {};
    const auto name = [](const TaskCore& task) {
        return std::string{task.life.name()} + " (" + std::to_string(task.life.tid()) + ")";
    };
    std::string cycle = name(joiner);
    for (const Step& step : path)
        cycle += " -> " + name(*step.task);
    return cycle;
}

}  // namespace tiffany::detail
