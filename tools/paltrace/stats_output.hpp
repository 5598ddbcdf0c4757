#pragma once
/// The two forms of what `paltrace stats` prints.

#include <iosfwd>
#include <string>
#include <tiffany/analysis/task_stats.hpp>
#include <vector>

#include "tools/babeltrace/trace_reader.hpp"

namespace tiffany::paltrace {

void print_stats_text(const analysis::TaskReport& report, const ctf::ReadSummary& seen, bool histograms,
                      std::ostream& out);
void print_stats_json(const analysis::TaskReport& report, const ctf::ReadSummary& seen, bool histograms,
                      std::ostream& out);

/// Times of one scheduler and group, over all names: what one series of the metrics counts.
struct GroupTimes {
    std::string scheduler;
    std::string group;
    analysis::TaskTimesSeen times;
};
/// By scheduler and group.
std::vector<GroupTimes> by_group(const analysis::TaskReport& report);

}  // namespace tiffany::paltrace
