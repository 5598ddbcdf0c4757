#include "check.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <optional>
#include <ostream>
#include <tiffany/pal/lifecycle.hpp>
#include <tiffany/pal/reader.hpp>

#include "reading.hpp"

namespace tiffany::paltrace {
namespace {

/// Hands everything to the checker, and keeps what the log says of its losses.
class Watched : public pal::EntrySink {
  public:
    explicit Watched(pal::LifecycleChecker& checker) : checker_{checker} {}

    void begin(const pal::Begin& begin) override {
        some = true;
        selection = begin.events;
        checker_.begin(begin);
    }
    void record(const pal::Record& record) override {
        some = true;
        checker_.record(record);
    }
    void gap(const pal::Gap& gap) override {
        if (!gap.explained) unexplained += gap.lost;
        untraced += gap.to_seq - gap.from_seq + 1 - gap.lost;
        checker_.gap(gap);
    }
    void end(const pal::End& end) override {
        lost = end.lost;
        tail = end.tail;
        at_most = end.at_most;
        checker_.end(end);
    }

    bool some = false;  // anything at all was read
    std::vector<std::string> selection;
    std::uint64_t unexplained = 0;
    std::uint64_t untraced = 0;
    std::uint64_t lost = 0;
    std::uint64_t tail = 0;
    bool at_most = false;

  private:
    pal::LifecycleChecker& checker_;
};

void print_coverage(const pal::LifecycleReport& report, const ctf::ReadSummary& seen, std::ostream& out) {
    out << "records: " << report.records << ", of them transitions: " << report.transitions << '\n'
        << "workers: " << report.workers << '\n'
        << "tasks: " << report.tasks << " (finished " << report.ended(TaskState::Finished) << ", failed "
        << report.ended(TaskState::Failed) << ", cancelled " << report.ended(TaskState::Cancelled) << ", live "
        << report.live() << "), start not seen: " << report.unseen_start << '\n'
        << "lost: " << (seen.at_most ? "at most " : "") << seen.lost << " transitions (gaps: " << report.gaps
        << ", after the last record: " << seen.tail << ", not explained: " << seen.unexplained << ")\n"
        << "not traced: " << seen.untraced << " transitions\n";
    if (!seen.selection.empty()) {
        out << "selection: lives are not judged; recorded were";
        for (const std::string& event : seen.selection)
            out << ' ' << event;
        out << '\n';
    }
    for (const auto& [name, count] : seen.unknown_events)
        out << "unknown event: " << name << ' ' << count << " times\n";
    for (const auto& [name, count] : seen.unknown_fields)
        out << "unknown field: " << name << ' ' << count << " times\n";
}

/// A log is judged as it is: its gaps and its end are what whoever made it saw.
ctf::ReadSummary read_log(const std::string& path, Watched& sink) {
    ctf::ReadSummary seen;
    try {
        const pal::LogSummary log = pal::read_log(path, sink);
        seen.unknown_events = log.unknown_events;
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::system || !sink.some) throw;
        seen.bad_parts.push_back(error.one_line());
    }
    seen.lost = sink.lost;
    seen.tail = sink.tail;
    seen.at_most = sink.at_most;
    seen.unexplained = sink.unexplained;
    seen.untraced = sink.untraced;
    seen.selection = sink.selection;
    return seen;
}

ctf::ReadSummary read(const CheckOptions& options, Watched& sink) {
    std::error_code failed;
    if (options.input == "-" || !std::filesystem::is_directory(options.input, failed)) {
        ctf::ReadSummary seen = read_log(options.input, sink);
        if (options.strict && seen.unexplained != 0)
            seen.bad_parts.push_back(ctf::unexplained_remark(seen.unexplained));
        return seen;
    }
    ctf::ReadOptions reading;
    reading.strict = options.strict;
    return ctf::read_inputs({options.input}, reading, sink);
}

/// The last line: "good" alone only if every part was read, no rule is broken and nothing was lost.
std::string verdict(const pal::LifecycleReport& report, const ctf::ReadSummary& seen, bool strict) {
    const std::size_t unexplained = strict && seen.unexplained != 0 ? 1 : 0;  // of the bad parts the one that was read
    std::string bad;
    const auto add = [&bad](const std::string& what) { bad += (bad.empty() ? "bad: " : ", ") + what; };
    if (!report.good()) add(std::to_string(report.findings_total) + " findings");
    if (seen.bad_parts.size() > unexplained) add("not all could be read");
    if (unexplained != 0) add(std::to_string(seen.unexplained) + " missing transitions that nothing explains");
    if (!bad.empty()) return bad;
    if (seen.lost == 0) return "good";
    return std::string{"good, but "} + (seen.at_most ? "at most " : "") + std::to_string(seen.lost) +
           " transitions lost";
}

}  // namespace

ExitCode run_check(const CheckOptions& options, Streams& streams) {
    pal::LifecycleChecker checker;
    Watched watched{checker};
    ctf::ReadSummary seen;
    try {
        seen = read(options, watched);
    } catch (const Error& error) {
        if (error.kind() == ErrorKind::content) streams.out << "bad: it cannot be read\n";
        throw;
    }
    const pal::LifecycleReport report = checker.finish();
    if (!report.has_end) seen.lost = report.lost;

    for (const std::string& finding : report.findings)
        streams.out << finding << '\n';
    if (report.findings_total > report.findings.size())
        streams.out << "... and " << report.findings_total - report.findings.size() << " more findings\n";
    print_coverage(report, seen, streams.out);
    for (const std::string& part : seen.bad_parts)
        streams.err << "paltrace: " << part << '\n';

    ExitCode code = exit_code(seen);
    if (!report.good()) code = worse(code, ExitCode::bad_content);
    streams.out << verdict(report, seen, options.strict) << '\n';
    return code;
}

void add_check(CLI::App& app, Command& chosen) {
    CLI::App* command = app.add_subcommand("check", "Every task's life is legal, and seq has no gaps.");
    auto options = std::make_shared<CheckOptions>();
    command->add_option("INPUT", options->input, "PAL log, trace directory, or - for a log on stdin")->required();
    command->add_flag("--strict", options->strict, "a gap that the discarded counts do not explain is an error");
    command->footer("Example: paltrace check run1.pal.zst");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_check(*options, streams); }; });
}

}  // namespace tiffany::paltrace
