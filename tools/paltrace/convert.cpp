#include "convert.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/writer.hpp>

#include "notice.hpp"
#include "reader_option.hpp"
#include "reading.hpp"
#include "record_notes.hpp"

namespace tiffany::paltrace {

namespace {

/// The log that it becomes. Knows whether anything came.
class Log : public ctf::Digest, private pal::EntrySink {
  public:
    explicit Log(pal::ByteSink& out) : writer_{out} {}

    pal::EntrySink& entries() override { return *this; }
    std::uint64_t finish(const ctf::ReadSummary& /*seen*/) override { return 0; }
    void flush() { writer_.flush(); }
    bool some() const { return some_; }

  private:
    void begin(const pal::Begin& begin) override { writer_.begin(begin); }
    void record(const pal::Record& record) override {
        some_ = true;
        writer_.record(record);
    }
    void gap(const pal::Gap& gap) override { writer_.gap(gap); }
    void end(const pal::End& end) override { writer_.end(end); }

    pal::LogWriter writer_;
    bool some_ = false;
};

/// An only input that is cut gives what is there, to a file as to stdout: a log that says by its missing End that it is
/// cut, too. One in which more was written than its last reader gave is none.
ctf::ReadSummary read_what_is_there(const ConvertOptions& options, const ctf::ReadOptions& reading,
                                    pal::OutputFile& file) {
    ctf::Outlet out{file};
    Log log{out};
    try {
        ctf::ReadSummary summary = ctf::digest_inputs(options.inputs, reading, log, out).seen;
        file.commit();
        return summary;
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::content || !log.some()) throw;
        log.flush();
        out.finish_after(error);
        file.commit();
        throw error.within(options.output + " has what could be read, and no End");
    }
}

}  // namespace

ExitCode run_convert(const ConvertOptions& options, Streams& streams) {
    for (const std::string& input : options.inputs)
        need_no_socket(input);
    pal::OutputFile file{options.output, streams.out};
    ctf::ReadOptions reading;
    reading.tell = teller(streams.err);
    reading.of_traces = {options.ticks, options.reader};
    reading.strict = options.strict;
    reading.uncounted = uncounted_in(options.inputs);
    const ctf::ReadSummary summary = read_what_is_there(options, reading, file);
    print_remarks(summary, options.strict, streams.err);
    for (const std::string& sentence : summary.uncounted)
        Notice{streams.err} << sentence;
    for (const std::string& input : options.inputs)
        warn_of_bad_record_file(input, streams.err);
    if (summary.ticks_left_out != 0)
        Notice{streams.err} << summary.ticks_left_out << " records of ticks left out (--ticks keeps them)";
    Notice{streams.err} << summary.records << " records" << loss_remark(summary);
    return exit_code(summary);
}

void add_convert(CLI::App& app, Command& chosen) {
    CLI::App* command = app.add_subcommand("convert", "Traces and PAL logs -> one PAL log, de-duplicated.");
    auto options = std::make_shared<ConvertOptions>();
    command->add_option("INPUT", options->inputs, "PAL log, trace directory, or - for a log on stdin")->required();
    command->add_option("-o,--output", options->output, "file (.zst: compressed), or - for stdout")
        ->capture_default_str();
    command->add_flag("--ticks", options->ticks, "take the scheduler's ticks too");
    command->add_flag("--strict", options->strict, "a gap that the discarded counts do not explain is an error");
    add_reader_option(*command, options->reader);
    command->footer("Example: paltrace convert run1 -o run1.pal.zst");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_convert(*options, streams); }; });
}

}  // namespace tiffany::paltrace
