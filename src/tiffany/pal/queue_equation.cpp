#include "queue_equation.hpp"

#include "text.hpp"

namespace tiffany::pal {

std::vector<std::string> QueueEquation::findings(std::uint64_t instance) const {
    std::vector<std::string> findings;
    for (const auto& [scheduler, queue] : queues_) {
        if (queue.balance == queue.ready) continue;
        TextBuffer where;
        where.put("instance ");
        where.put_hex(instance, 12);
        if (!scheduler.empty()) {
            where.put(" scheduler ");
            where.put_quoted(scheduler);
        }
        findings.push_back(std::string{where.view()} + ": expected pushes - pops of the ready queue to be " +
                           std::to_string(queue.ready) + ", the tasks that are Ready at the end, found " +
                           std::to_string(queue.balance));
    }
    return findings;
}

}  // namespace tiffany::pal
