#include "convert.hpp"

#include <CLI/CLI.hpp>
#include <memory>
#include <ostream>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/writer.hpp>

#include "reading.hpp"

namespace tiffany::paltrace {

ExitCode run_convert(const ConvertOptions& options, Streams& streams) {
    pal::OutputFile file{options.output, streams.out};
    pal::LogWriter writer{file};
    ctf::ReadOptions reading;
    reading.ticks = options.ticks;
    reading.strict = options.strict;
    const ctf::ReadSummary summary = ctf::read_inputs(options.inputs, reading, writer);
    file.commit();
    print_remarks(summary, options.strict, streams.err);
    streams.err << "paltrace: " << summary.records << " records" << loss_remark(summary) << '\n';
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
    command->footer("Example: paltrace convert run1 -o run1.pal.zst");
    command->callback(
        [options, &chosen] { chosen = [options](Streams& streams) { return run_convert(*options, streams); }; });
}

}  // namespace tiffany::paltrace
