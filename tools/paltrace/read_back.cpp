#include "read_back.hpp"

#include <filesystem>
#include <iostream>
#include <tiffany/pal/output.hpp>
#include <tiffany/pal/writer.hpp>

namespace tiffany::paltrace {
namespace {

/// Takes the entries and keeps nothing: the reader's summary has the counts.
class Nowhere : public pal::EntrySink {
  public:
    void begin(const pal::Begin&) override {}
    void record(const pal::Record&) override {}
    void gap(const pal::Gap&) override {}
    void end(const pal::End&) override {}
};

}  // namespace

bool holds_trace(const std::string& directory) {
    std::error_code error;
    for (std::filesystem::recursive_directory_iterator entry{directory, error}, end; !error && entry != end;
         entry.increment(error))
        if (entry->path().filename() == "metadata") return true;
    return false;
}

ctf::ReadSummary read_back(const std::vector<std::string>& traces, const std::string& log,
                           const ReadBackOptions& wish) {
    ctf::ReadOptions options;
    options.of_traces.ticks = wish.ticks;
    options.empty = true;  // who reads the summary sees it
    options.uncounted = wish.uncounted;
    if (log.empty()) {
        Nowhere nowhere;
        return ctf::read_traces(traces, options, nowhere);
    }
    try {
        pal::OutputFile file{log, std::cout};
        pal::LogWriter writer{file};
        ctf::ReadSummary summary = ctf::read_traces(traces, options, writer);
        if (summary.records != 0 || summary.lost != 0) file.commit();
        return summary;
    } catch (const Error& error) {
        if (!error.sentences().back().starts_with("cannot write " + log)) throw;
        throw error.within("the trace is kept, convert it to another disk (paltrace convert " + wish.recording +
                           " -o FILE)");
    }
}

}  // namespace tiffany::paltrace
