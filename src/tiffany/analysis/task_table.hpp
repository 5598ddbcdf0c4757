#pragma once
// Which name and group each task has. Private to analysis.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <tiffany/pal/near_map.hpp>
#include <unordered_map>
#include <vector>

#include "slot_times.hpp"

namespace tiffany::analysis {

/// A number for each of a bounded set of names.
class Names {
  public:
    static constexpr std::uint16_t kUnknown = 0;
    static constexpr std::uint16_t kOther = 1;

    explicit Names(std::size_t most) : most_{most} {}
    std::uint16_t number(std::string_view name);
    const std::string& name(std::uint16_t number) const { return names_[number]; }

  private:
    std::size_t most_;
    std::vector<std::string> names_{kUnknownName, kOtherName};
    std::unordered_map<std::string, std::uint16_t> numbers_;
    std::uint16_t last_ = kUnknown;  // the number that was given last: tasks of one name come in a row
};

struct TaskKey {
    std::uint64_t instance = 0;
    std::uint64_t tid = 0;
};

struct KnownTask {
    std::uint16_t name = Names::kUnknown;
    std::uint16_t group = 0;
    bool named = false;
    bool spawn_seen = false;
    bool dumped = false;
    bool ended = false;
    bool stalled = false;           // its present run was told of
    std::vector<Sighting> pending;  // until the name is known
    // of the slot that was seen last, once the name is known
    SlotTimes* times = nullptr;
    std::uint32_t times_slot = 0;
};

/// Live tasks, and the last that ended: a record of another worker can come a little after the end.
class TaskTable {
  public:
    explicit TaskTable(std::size_t kept_ended) : kept_ended_{kept_ended} {}

    KnownTask& at(const TaskKey& key) { return of(key.instance).at(key.tid); }
    /// `task` is that of `key`. Returns false if it had ended before.
    bool set_ended(const TaskKey& key, KnownTask& task);
    /// Gives each task that is to be forgotten to `forget`: those that ended first, or all.
    template <typename Forget>
    void forget_old(Forget forget) {
        while (ended_.size() > kept_ended_) {
            const TaskKey key = ended_.front();
            Tasks& tasks = of(key.instance);
            forget(*tasks.find(key.tid));
            tasks.erase(key.tid);
            if (tasks.empty()) forget_instance(key.instance);
            ended_.pop_front();
        }
    }
    template <typename Forget>
    void forget_all(Forget forget) {
        for (auto& [instance, tasks] : instances_)
            tasks.erase_if([&](std::uint64_t, KnownTask& task) {
                forget(task);
                return true;
            });
        ended_.clear();
    }

  private:
    using Tasks = pal::NearMap<KnownTask>;

    Tasks& of(std::uint64_t instance) {
        return last_ != nullptr && last_instance_ == instance ? *last_ : find_instance(instance);
    }
    Tasks& find_instance(std::uint64_t instance);

    void forget_instance(std::uint64_t instance) {
        instances_.erase(instance);
        last_ = nullptr;
    }

    std::size_t kept_ended_;
    std::map<std::uint64_t, Tasks> instances_;
    Tasks* last_ = nullptr;  // of the instance that was asked for last: mostly there is one
    std::uint64_t last_instance_ = 0;
    std::deque<TaskKey> ended_;
};

}  // namespace tiffany::analysis
