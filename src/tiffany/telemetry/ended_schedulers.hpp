#pragma once
/// What schedulers counted that are no more, by name: their counters go on in those of their name.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tiffany/telemetry/metrics_snapshot.hpp>
#include <utility>
#include <vector>

#include "snapshot_sum.hpp"

namespace tiffany::detail {

/// Whoever holds the process's cores_mutex.
class EndedSchedulers {
  public:
    /// Names that no scheduler has any more are kept up to so many: of more, the one whose last scheduler ended first
    /// is forgotten, so that names which are used once do not add up.
    static constexpr std::size_t kMostNames = 64;

    struct Of {
        std::string name;
        MetricsSnapshot lately;  ///< of those that ended while another one of the name lived, ever since
        MetricsSnapshot before;  ///< of those up to the last time when none lived
    };

    /// The last numbers of one that ends. Its gauges end with it.
    /// @param lives  whether a scheduler of that name lives
    /// Errors: std::bad_alloc; nothing has changed then.
    template <typename Lives>
    void add(MetricsSnapshot last, const Lives& lives) {
        last.states.fill(0);
        last.workers = last.current_run_ns = last.oldest_ready_ns = 0;
        last.each_worker.clear();
        all_.reserve(all_.size() + 1);
        const auto found =
            std::find_if(all_.begin(), all_.end(), [&](const Of& one) { return one.name == last.scheduler; });
        Of of = found != all_.end() ? *found : Of{last.scheduler, {}, {}};
        add_snapshot(of.lately, std::move(last));
        if (!lives(of.name)) add_snapshot(of.before, std::exchange(of.lately, {}));
        if (found != all_.end()) all_.erase(found);
        all_.push_back(std::move(of));
        const auto gone = [&](const Of& one) { return !lives(one.name); };
        if (static_cast<std::size_t>(std::count_if(all_.begin(), all_.end(), gone)) > kMostNames)
            all_.erase(std::find_if(all_.begin(), all_.end(), gone));
    }
    /// Of one that was added: what LTTng was not given of its workers' last words.
    void add_left_out(std::string_view name, std::uint64_t events) noexcept {
        const auto found = std::find_if(all_.begin(), all_.end(), [&](const Of& one) { return one.name == name; });
        if (found == all_.end()) return;  // no memory, or forgotten
        // where none of its name lives, all was before, and `lately` has no groups
        (found->lately.groups.empty() ? found->before : found->lately).lttng_left_out += events;
    }
    const std::vector<Of>& all() const noexcept { return all_; }
    void clear() noexcept { all_.clear(); }

  private:
    std::vector<Of> all_;  // the one that ended last at the end
};

}  // namespace tiffany::detail
