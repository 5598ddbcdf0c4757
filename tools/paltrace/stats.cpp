#include "stats.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <sstream>

#include "notice.hpp"
#include "printable.hpp"
#include "reader_option.hpp"
#include "reading.hpp"
#include "record_notes.hpp"
#include "stats_output.hpp"

namespace tiffany::paltrace {

std::vector<GroupTimes> by_group(const analysis::TaskReport& report) {
    std::vector<GroupTimes> groups;
    for (const analysis::KindOfTask& kind : report.kinds) {  // sorted: those of a group are neighbours
        if (groups.empty() || groups.back().scheduler != kind.scheduler || groups.back().group != kind.group)
            groups.push_back({kind.scheduler, kind.group, {}});
        groups.back().times.merge(kind.times);
    }
    return groups;
}

namespace {

/// The tables, or the JSON document.
class Statistics : public ctf::Digest {
  public:
    Statistics(const StatsOptions& options, pal::ByteSink& out) : options_{options}, out_{out} {}

    pal::EntrySink& entries() override { return stats_; }
    std::uint64_t finish(const ctf::ReadSummary& seen) override {
        const analysis::TaskReport report = stats_.finish();
        std::ostringstream text;
        if (options_.json)
            print_stats_json(report, seen, options_.histograms, text);
        else
            print_stats_text(report, seen, options_.histograms, text);
        out_.write(text.str());
        return 0;
    }

  private:
    const StatsOptions& options_;
    analysis::TaskStats stats_;
    pal::ByteSink& out_;
};

}  // namespace

ExitCode run_stats(const StatsOptions& options, Streams& streams) {
    Page page;
    Statistics statistics{options, page.out()};
    ctf::ReadOptions reading;
    reading.tell = teller(streams.err);
    reading.of_traces.reader = options.reader;
    reading.uncounted = uncounted_in({options.input});
    const ctf::ReadSummary seen = digest_input(options.input, reading, statistics, page.out()).seen;
    streams.out << (options.json ? page.text() : printable(page.text(), true));
    for (const std::string& part : seen.bad_parts)
        Notice{streams.err} << part;
    warn_of_bad_record_file(options.input, streams.err);
    return exit_code(seen);
}

void add_stats(CLI::App& app, Command& chosen) {
    CLI::App* command =
        app.add_subcommand("stats", "Counts, and run, wait and ready-delay times by scheduler, group and task name.");
    auto options = std::make_shared<StatsOptions>();
    command->add_option("INPUT", options->input, "PAL log, trace directory, or - for a log on stdin")->required();
    command->add_flag("--json", options->json, "one JSON document (docs/stats.md) instead of tables");
    command->add_flag("--histograms", options->histograms, "histograms with the metrics' default buckets too");
    add_reader_option(*command, options->reader);
    command->footer(
        "Counts, sums and maxima are exact; percentiles are off by at most 1/128 (0.8 %) of themselves, and exact "
        "below "
        "128 ns.\nDurations that are not known are counted apart.\n\nExample: paltrace stats run1.pal.zst");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_stats(*options, streams); }; });
}

}  // namespace tiffany::paltrace
