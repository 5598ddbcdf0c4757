#include "check.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <tiffany/pal/lifecycle.hpp>

#include "reading.hpp"

namespace tiffany::paltrace {
namespace {

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

}  // namespace

ExitCode run_check(const CheckOptions& options, Streams& streams) {
    pal::LifecycleChecker checker;
    ctf::ReadOptions reading;
    reading.strict = options.strict;
    const ctf::ReadSummary seen = read_input(options.input, reading, checker);
    const pal::LifecycleReport report = checker.finish();

    for (const std::string& finding : report.findings)
        streams.out << finding << '\n';
    if (report.findings_total > report.findings.size())
        streams.out << "... and " << report.findings_total - report.findings.size() << " more findings\n";
    print_coverage(report, seen, streams.out);
    for (const std::string& part : seen.bad_parts)
        streams.err << "paltrace: " << part << '\n';

    ExitCode code = exit_code(seen);
    if (!report.good() || (options.strict && seen.unexplained != 0)) code = worse(code, ExitCode::bad_content);
    streams.out << (report.good() ? "good" : "bad: " + std::to_string(report.findings_total) + " findings") << '\n';
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
