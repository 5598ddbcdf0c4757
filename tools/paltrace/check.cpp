#include "check.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <ostream>
#include <sstream>
#include <system_error>
#include <tiffany/pal/lifecycle.hpp>
#include <vector>

#include "notice.hpp"
#include "printable.hpp"
#include "read_back.hpp"
#include "reader_option.hpp"
#include "reading.hpp"
#include "record_notes.hpp"

namespace tiffany::paltrace {
namespace {

void print_coverage(const pal::LifecycleReport& report, const ctf::ReadSummary& seen, std::ostream& out) {
    out << "records: " << report.records << ", of them transitions: " << report.transitions << '\n'
        << "workers: " << report.workers;
    if (seen.selection.empty()) {  // else neither the ends of workers nor the lives of tasks were to be seen
        if (report.workers_open != 0) out << ", end not seen: " << report.workers_open;
        out << "\ntasks: " << report.tasks << " (done " << report.ended(TaskState::Finished) << ", failed "
            << report.ended(TaskState::Failed) << ", cancelled " << report.ended(TaskState::Cancelled)
            << ", end not seen " << report.live() << "), start not seen: " << report.unseen_start;
        if (report.dumped_start != 0) out << ", of them told of first by a state dump: " << report.dumped_start;
    }
    if (report.dumps.whole + report.dumps.incomplete != 0) {
        out << "\nstate dumps: " << report.dumps.whole;
        if (report.dumps.incomplete != 0)
            out << " whole, " << report.dumps.incomplete
                << " not (a runtime without list_tasks_by(), or a tracer that ended too soon): tasks that were there "
                   "before may be missing";
    }
    out << "\nlost: " << bound_of_lost(seen) << seen.lost << " transitions (gaps: " << report.gaps
        << ", after the last record: " << seen.tail << ", not explained: " << seen.unexplained << ")\n";
    if (seen.lost_others != 0) out << "lost of other events: at least " << seen.lost_others << '\n';
    out << "not traced: " << seen.untraced << " transitions\n";
    if (!seen.selection.empty()) {
        out << "selection: lives are not judged; recorded were";
        for (const std::string& event : seen.selection)
            out << ' ' << printable(event);
        out << '\n';
    }
    for (const auto& [name, count] : seen.unknown_events)
        out << "unknown event: " << printable(name) << ' ' << count << " times\n";
    for (const auto& [name, count] : seen.unknown_fields)
        out << "unknown field: " << printable(name) << ' ' << count << " times\n";
}

/// The last line: "good" alone only if every part was read, no rule is broken and nothing was lost.
std::string verdict(const ctf::Digested& made, bool doubtful, bool strict) {
    const ctf::ReadSummary& seen = made.seen;
    const std::size_t unexplained = strict && seen.unexplained != 0 ? 1 : 0;  // of the bad parts the one that was read
    std::string bad;
    const auto add = [&bad](const std::string& what) { bad += (bad.empty() ? "bad: " : ", ") + what; };
    if (made.findings != 0) add(std::to_string(made.findings) + " findings");
    if (seen.bad_parts.size() > unexplained + seen.without_buffers) add("not all could be read");
    if (seen.without_buffers != 0) add("processes without buffers: " + std::to_string(seen.without_buffers));
    if (unexplained != 0) add(std::to_string(seen.unexplained) + " missing transitions that nothing explains");
    if (!bad.empty()) return bad;
    std::string less;
    const auto but = [&less](const std::string& what) { less += (less.empty() ? ", but " : ", ") + what; };
    if (seen.lost != 0)
        but(std::string{seen.at_most ? "at most " : ""} + std::to_string(seen.lost) + " transitions lost");
    if (seen.lost_others != 0) but("at least " + std::to_string(seen.lost_others) + " other events lost");
    if (seen.untraced != 0) but(std::to_string(seen.untraced) + " transitions not traced");
    if (doubtful) but("some may be missing, uncounted");
    return "good" + less;
}

/// What nobody counted and only the recording knew. That its file is damaged is a bad part.
RecordNotes notes_beside(const std::string& input, ctf::ReadSummary& seen) try {
    return record_notes(input, {input});
} catch (const Error& error) {
    seen.bad_parts.push_back(error.one_line());
    seen.refused = seen.refused || error.kind() == ErrorKind::system;
    return {};
}

bool is_one_recording(const std::filesystem::path& input) {
    std::error_code failed;
    return !std::filesystem::is_directory(input, failed) || std::filesystem::exists(input / "record.json", failed);
}

/// What `record` had read is there, unless somebody took a file away. What cannot be read is told already.
void look_for_all(const std::string& input, const RecordNotes& notes, ctf::ReadSummary& seen) {
    std::uint64_t found = seen.records + seen.ticks_left_out;
    if (!is_one_recording(input)) found += seen.duplicates;  // each of several counted what they have in common
    if (!notes.records || found >= *notes.records || !seen.bad_parts.empty()) return;
    const std::uint64_t missing = *notes.records - found;
    seen.bad_parts.push_back("cannot check all of " + input + ": " + std::to_string(missing) +
                             (missing == 1 ? " record that `paltrace record` had counted is not here"
                                           : " records that `paltrace record` had counted are not here"));
}

void print_notes(const RecordNotes& notes, std::ostream& out) {
    for (const auto* sentences : {&notes.doubts, &notes.left, &notes.remarks})
        for (const std::string& sentence : *sentences)
            out << "note: " << printable(sentence) << '\n';
}

/// Traces that can be read, and have nothing of ours.
bool holds_nothing(const ctf::ReadSummary& seen) {
    return !seen.traces.empty() && seen.records == 0 && seen.lost == 0 && seen.lost_others == 0 &&
           seen.bad_parts.empty() && seen.selection.empty() && seen.unknown_events.empty();
}

/// A recording with which nobody registered: LTTng made no trace.
bool is_empty_recording(const std::string& input) {
    std::error_code failed;
    return std::filesystem::is_regular_file(std::filesystem::path{input} / "record.json", failed) &&
           !holds_trace(input);
}

/// Says why, as far as the recording knows, and ends as what is no trace of ours does.
ExitCode run_check_of_nothing(const std::string& input, ctf::ReadSummary& seen, Streams& streams) {
    print_notes(notes_beside(input, seen), streams.out);
    Notice{streams.err} << "cannot check " << input << ": it holds no tiffany events";
    for (const std::string& part : seen.bad_parts)
        Notice{streams.err} << part;
    streams.out << "bad: it holds no tiffany events\n";
    return worse(ExitCode::bad_content, exit_code(seen));
}

/// What it prints of the entries: what is wrong, and what was seen.
class Examination : public ctf::Digest {
  public:
    explicit Examination(pal::ByteSink& out) : out_{out} {}

    pal::EntrySink& entries() override { return checker_; }
    std::uint64_t finish(const ctf::ReadSummary& seen) override {
        if (holds_nothing(seen)) return 0;
        const pal::LifecycleReport report = checker_.finish();
        std::ostringstream text;
        for (const std::string& finding : report.findings)
            text << printable(finding) << '\n';
        if (report.findings_total > report.findings.size())
            text << "... and " << report.findings_total - report.findings.size() << " more findings\n";
        print_coverage(report, seen, text);
        out_.write(text.str());
        return report.findings_total;
    }

  private:
    pal::LifecycleChecker checker_;
    pal::ByteSink& out_;
};

}  // namespace

ExitCode run_check(const CheckOptions& options, Streams& streams) {
    Page page;
    Examination examination{page.out()};
    ctf::ReadOptions reading;
    reading.tell = teller(streams.err);
    reading.strict = options.strict;
    reading.empty = true;
    reading.uncounted = uncounted_in({options.input});  // what that may explain is no broken life
    reading.of_traces.reader = options.reader;
    ctf::Digested made;
    ctf::ReadSummary& seen = made.seen;
    try {
        made = digest_input(options.input, reading, examination, page.out());
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::content) throw;
        if (is_empty_recording(options.input)) return run_check_of_nothing(options.input, seen, streams);
        print_notes(notes_beside(options.input, seen), streams.out);
        for (const std::string& part : seen.bad_parts)
            Notice{streams.err} << part;
        streams.out << "bad: it cannot be read\n";
        throw;
    }
    if (holds_nothing(seen)) return run_check_of_nothing(options.input, seen, streams);
    RecordNotes notes = notes_beside(options.input, seen);
    ctf::add_sentences(notes.doubts, seen.uncounted);
    look_for_all(options.input, notes, seen);

    streams.out << printable(page.text(), true);
    print_notes(notes, streams.out);
    for (const std::string& part : seen.bad_parts)
        Notice{streams.err} << part;

    ExitCode code = exit_code(seen);
    if (made.findings != 0) code = worse(code, ExitCode::bad_content);
    streams.out << verdict(made, !notes.doubts.empty() || !notes.left.empty(), options.strict) << '\n';
    return code;
}

void add_check(CLI::App& app, Command& chosen) {
    CLI::App* command = app.add_subcommand("check", "Every task's life is legal, and seq has no gaps.");
    auto options = std::make_shared<CheckOptions>();
    command->add_option("INPUT", options->input, "PAL log, trace directory, or - for a log on stdin")->required();
    command->add_flag("--strict", options->strict, "a gap that the discarded counts do not explain is an error");
    add_reader_option(*command, options->reader);
    command->footer("Example: paltrace check run1.pal.zst");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_check(*options, streams); }; });
}

}  // namespace tiffany::paltrace
