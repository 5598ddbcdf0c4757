// The tables of `paltrace stats`, for people.

#include <algorithm>
#include <array>
#include <cstdio>
#include <ostream>

#include "printable.hpp"
#include "reading.hpp"
#include "stats_output.hpp"

namespace tiffany::paltrace {
namespace {

using analysis::Durations;
using analysis::TaskTimesSeen;

/// Three digits and a unit: "1.25 ms".
std::string readable(std::uint64_t ns) {
    constexpr std::array<std::pair<double, const char*>, 3> kUnits{{{1e9, "s"}, {1e6, "ms"}, {1e3, "us"}}};
    for (const auto& [size, unit] : kUnits) {
        const double value = static_cast<double>(ns) / size;
        if (value < 0.9995) continue;
        const int digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
        std::array<char, 40> text{};
        std::snprintf(text.data(), text.size(), "%.*f %s", digits, value, unit);
        return text.data();
    }
    return std::to_string(ns) + " ns";
}

/// In a column nothing is empty.
std::string shown(const std::string& name) {
    return name.empty() ? "-" : printable(name);
}

std::size_t width_of(const std::string& text) {  // code points: near enough to columns
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

/// Columns as wide as they must be; the first `left` are words, the rest numbers.
class Table {
  public:
    Table(std::size_t left, std::vector<std::string> head) : left_{left}, rows_{std::move(head)} {}

    void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
    bool empty() const { return rows_.size() == 1; }
    void print(std::ostream& out) const {
        std::vector<std::size_t> widths(rows_.front().size());
        for (const auto& row : rows_)
            for (std::size_t i = 0; i < row.size(); ++i)
                widths[i] = std::max(widths[i], width_of(row[i]));
        for (const auto& row : rows_) {
            std::string line;
            for (std::size_t i = 0; i < row.size(); ++i) {
                const std::string pad(widths[i] - width_of(row[i]), ' ');
                line += "  " + (i < left_ ? row[i] + pad : pad + row[i]);
            }
            line.erase(line.find_last_not_of(' ') + 1);
            out << line << '\n';
        }
    }

  private:
    std::size_t left_;
    std::vector<std::vector<std::string>> rows_;
};

void add_cells(std::vector<std::string>& row, const Durations& seen) {
    row.push_back(std::to_string(seen.count()));
    for (const unsigned per_mille : {500u, 900u, 990u, 999u})
        row.push_back(seen.count() == 0 ? "-" : readable(seen.percentile(per_mille)));
    row.push_back(seen.count() == 0 ? "-" : readable(seen.max_ns()));
    row.push_back(readable(seen.sum_ns()));
    row.push_back(std::to_string(seen.unknown()));
}

const std::vector<std::string> kTimesHead{"count", "p50", "p90", "p99", "p99.9", "max", "sum", "unknown"};

std::vector<std::string> with_times(std::vector<std::string> words) {
    words.insert(words.end(), kTimesHead.begin(), kTimesHead.end());
    return words;
}

bool any(const Durations& seen) {
    return seen.count() + seen.unknown() != 0;
}

/// Run, ready and wait of some tasks, a row each.
void add_rows(Table& table, const std::vector<std::string>& words, const TaskTimesSeen& seen) {
    const auto add = [&](const std::string& what, const Durations& times) {
        if (!any(times)) return;
        std::vector<std::string> row = words;
        row.push_back(what);
        add_cells(row, times);
        table.add(std::move(row));
    };
    add("run", seen.run);
    add("ready", seen.ready);
    for (std::size_t kind = 0; kind < seen.wait.size(); ++kind)
        add("wait: " + std::string{label(static_cast<WaitKind>(kind))}, seen.wait[kind]);
}

void print_coverage(const analysis::TaskReport& report, const ctf::ReadSummary& seen, const TaskTimesSeen& total,
                    std::ostream& out) {
    out << "coverage\n  lost: " << bound_of_lost(seen) << seen.lost << " transitions (gaps: " << report.gaps
        << ", after the last record: " << seen.tail << ", not explained: " << seen.unexplained << ")\n"
        << "  lost of other events: " << (seen.lost_others == 0 ? "" : "at least ") << seen.lost_others << '\n'
        << "  not traced: " << seen.untraced << " transitions\n"
        << "  tasks whose start was not seen: " << report.unseen_start << ", of them without a name: " << report.unnamed
        << ", told of in a state dump: " << report.dumped_start << '\n'
        << "  durations not known: run " << total.run.unknown() << ", ready " << total.ready.unknown() << ", wait "
        << total.waits().unknown() << " (in no number below but \"unknown\")\n";
    for (const std::string& sentence : seen.uncounted)
        out << "  not counted: " << shown(sentence) << '\n';
    if (report.workers_unknown != 0)
        out << "  workers whose scheduler was not told: " << report.workers_unknown << " of " << report.workers << '\n';
    if (report.dumps.incomplete != 0)
        out << "  state dumps that are not whole, so that tasks which were there before may be missing: "
            << report.dumps.incomplete << " of " << report.dumps.whole + report.dumps.incomplete << '\n';
    if (report.tasks_other != 0)
        out << "  tasks under (other), as there were too many names: " << report.tasks_other << '\n';
    if (!seen.selection.empty()) {
        out << "  selection: only these events were recorded:";
        for (const std::string& event : seen.selection)
            out << ' ' << shown(event);
        out << "\n  so runs are those that one of these ended, and waits and ready delays those of Running, if it is "
               "one\n";
    }
    for (const auto& [name, count] : report.unknown_events)
        out << "  unknown event: " << shown(name) << ' ' << count << " times\n";
    if (!report.has_end) out << "  the log was cut: these are the statistics of what is there\n";
}

/// Whether a transition could be seen at all.
bool was_recorded(const ctf::ReadSummary& seen, TaskEvent event) {
    return seen.selection.empty() ||
           std::ranges::find(seen.selection, catalogue::info(event).tracepoint) != seen.selection.end();
}

bool ends_were_recorded(const ctf::ReadSummary& seen) {
    return was_recorded(seen, TaskEvent::Done) && was_recorded(seen, TaskEvent::Failed) &&
           was_recorded(seen, TaskEvent::Cancelled);
}

void print_counts(const analysis::TaskReport& report, const ctf::ReadSummary& seen, std::ostream& out) {
    std::vector<std::string> head{"event"};
    for (const auto& scheduler : report.schedulers)
        head.push_back(shown(scheduler.scheduler));
    head.emplace_back("all");
    Table table{1, head};
    for (std::size_t event = 0; event < kTransitions; ++event) {
        const bool recorded = was_recorded(seen, static_cast<TaskEvent>(event));
        const auto cell = [&](std::uint64_t count) { return recorded ? std::to_string(count) : "-"; };
        std::vector<std::string> row{std::string{label(static_cast<TaskEvent>(event))}};
        for (const auto& scheduler : report.schedulers)
            row.push_back(cell(scheduler.transitions[event]));
        row.push_back(cell(report.events[event]));
        table.add(std::move(row));
    }
    out << "\ntransitions\n";
    table.print(out);
    Table others{1, {"record", "all"}};
    for (const catalogue::EventInfo& event : catalogue::events()) {
        const std::uint64_t count = report.events[static_cast<std::size_t>(event.id)];
        if (!event.is_transition() && count != 0) others.add({std::string{event.name}, std::to_string(count)});
    }
    if (others.empty()) return;
    out << "\nother records\n";
    others.print(out);
}

void print_endings(const analysis::TaskReport& report, std::ostream& out) {
    Table table{3, {"scheduler", "group", "name", "spawned", "done", "failed", "cancelled"}};
    for (const analysis::KindOfTask& kind : report.kinds) {
        const TaskTimesSeen& times = kind.times;
        table.add({shown(kind.scheduler), shown(kind.group), shown(kind.name), std::to_string(times.spawned),
                   std::to_string(times.done), std::to_string(times.failed), std::to_string(times.cancelled)});
    }
    if (table.empty()) return;
    out << "\nhow tasks ended\n";
    table.print(out);
}

void print_stalls(const analysis::TaskReport& report, std::ostream& out) {
    Table table{3, {"scheduler", "group", "name", "runs", "longest"}};
    for (const analysis::KindOfTask& kind : report.kinds)
        if (kind.times.stalls != 0)
            table.add({shown(kind.scheduler), shown(kind.group), shown(kind.name), std::to_string(kind.times.stalls),
                       readable(kind.times.longest_stall_ns)});
    if (table.empty()) return;
    out << "\nruns that stalled\n";
    table.print(out);
}

void print_times(const analysis::TaskReport& report, const std::vector<GroupTimes>& groups, std::ostream& out) {
    Table by_scheduler{2, with_times({"scheduler", "time"})};
    for (const analysis::SchedulerCounts& scheduler : report.schedulers) {
        TaskTimesSeen times;
        for (const GroupTimes& group : groups)
            if (group.scheduler == scheduler.scheduler) times.merge(group.times);
        add_rows(by_scheduler, {shown(scheduler.scheduler)}, times);
    }
    if (by_scheduler.empty()) return;
    out << "\ntimes by scheduler\n";
    by_scheduler.print(out);
    if (std::ranges::any_of(groups, [](const GroupTimes& group) { return !group.group.empty(); })) {
        Table by_groups{3, with_times({"scheduler", "group", "time"})};
        for (const GroupTimes& group : groups)
            add_rows(by_groups, {shown(group.scheduler), shown(group.group)}, group.times);
        out << "\ntimes by group\n";
        by_groups.print(out);
    }
    Table by_name{4, with_times({"scheduler", "group", "name", "time"})};
    for (const analysis::KindOfTask& kind : report.kinds)
        add_rows(by_name, {shown(kind.scheduler), shown(kind.group), shown(kind.name)}, kind.times);
    out << "\ntimes by task name\n";
    by_name.print(out);
}

std::string bound_label(std::uint64_t ns) {
    if (ns >= 1'000'000'000) return std::to_string(ns / 1'000'000'000) + " s";
    if (ns >= 1'000'000) return std::to_string(ns / 1'000'000) + " ms";
    return std::to_string(ns / 1'000) + " us";
}

void print_histograms(const std::vector<GroupTimes>& groups, std::ostream& out) {
    const auto print = [&](const char* title, std::span<const std::uint64_t> bounds, auto rows_of) {
        std::vector<std::string> head{"scheduler", "group", "time"};
        for (const std::uint64_t bound : bounds)
            head.push_back("<= " + bound_label(bound));
        for (const char* more : {"above", "count", "sum ns"})
            head.emplace_back(more);
        Table table{3, head};
        for (const GroupTimes& group : groups)
            rows_of(group, [&](const std::string& what, const Durations& seen) {
                if (!any(seen)) return;
                std::vector<std::string> row{shown(group.scheduler), shown(group.group), what};
                for (const std::uint64_t count : seen.buckets())
                    row.push_back(std::to_string(count));
                row.push_back(std::to_string(seen.count()));
                row.push_back(std::to_string(seen.sum_ns()));
                table.add(std::move(row));
            });
        if (table.empty()) return;
        out << "\nhistogram: " << title << " (each bucket without those before it)\n";
        table.print(out);
    };
    print("run and wait", analysis::kDefaultBounds, [](const GroupTimes& group, auto add) {
        add("run", group.times.run);
        for (std::size_t kind = 0; kind < group.times.wait.size(); ++kind)
            add("wait: " + std::string{label(static_cast<WaitKind>(kind))}, group.times.wait[kind]);
    });
    print("ready delay", analysis::kReadyBounds,
          [](const GroupTimes& group, auto add) { add("ready", group.times.ready); });
}

}  // namespace

void print_stats_text(const analysis::TaskReport& report, const ctf::ReadSummary& seen, bool histograms,
                      std::ostream& out) {
    const std::vector<GroupTimes> groups = by_group(report);
    TaskTimesSeen total;
    for (const GroupTimes& group : groups)
        total.merge(group.times);
    const bool ends = ends_were_recorded(seen);
    out << "records: " << report.records << ", of them transitions: " << report.transitions << '\n'
        << "tasks: " << report.tasks;
    if (ends)
        out << " (done " << total.done << ", failed " << total.failed << ", cancelled " << total.cancelled
            << ", end not seen " << report.live << ')';
    out << '\n';
    print_coverage(report, seen, total, out);
    print_counts(report, seen, out);
    if (ends) print_endings(report, out);
    print_stalls(report, out);
    print_times(report, groups, out);
    if (histograms) print_histograms(groups, out);
}

}  // namespace tiffany::paltrace
