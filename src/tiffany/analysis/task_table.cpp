#include "task_table.hpp"

namespace tiffany::analysis {

std::uint16_t Names::number(std::string_view name) {
    if (last_ != kUnknown && names_[last_] == name) return last_;
    const auto found = numbers_.find(std::string{name});
    if (found != numbers_.end()) return last_ = found->second;
    if (numbers_.size() >= most_) return kOther;
    const auto number = static_cast<std::uint16_t>(names_.size());
    names_.emplace_back(name);
    numbers_.emplace(name, number);
    return number;
}

[[gnu::noinline]] TaskTable::Tasks& TaskTable::find_instance(std::uint64_t instance) {
    last_ = &instances_[instance];
    last_instance_ = instance;
    return *last_;
}

bool TaskTable::set_ended(const TaskKey& key, KnownTask& task) {
    if (task.ended) return false;
    task.ended = true;
    ended_.push_back(key);
    return true;
}

}  // namespace tiffany::analysis
