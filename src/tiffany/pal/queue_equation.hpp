#pragma once
/// The ready queues of one instance: pushes - pops = tasks that are Ready, for each scheduler. Private to pal.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tiffany::pal {

/// Not shared. A scheduler without a name is one like the others.
class QueueEquation {
  public:
    void add_balance(const std::string& scheduler, std::int64_t pushes_minus_pops) {
        queues_[scheduler].balance += pushes_minus_pops;
    }
    void add_ready(const std::string& scheduler) { ++queues_[scheduler].ready; }

    /// The schedulers where it does not hold, a line each.
    std::vector<std::string> findings(std::uint64_t instance) const;

  private:
    struct Queue {
        std::int64_t balance = 0;
        std::int64_t ready = 0;
    };
    std::map<std::string, Queue> queues_;
};

}  // namespace tiffany::pal
