// Reads a plain trace in its own process, where callgrind can count it: the process in which `paltrace` reads one
// confines itself, and valgrind with it.
//
//     trace_decode DIRECTORY [decode|check|stats|convert]     prints how many records were in it
//
// decode: the records alone; the others: all that becomes of them, but for what is printed at the end. A log goes
// nowhere.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <tiffany/analysis/task_stats.hpp>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/lifecycle.hpp>
#include <tiffany/pal/writer.hpp>

#include "tools/babeltrace/event_layout.hpp"
#include "tools/babeltrace/merge_inputs.hpp"
#include "tools/babeltrace/read_trace.hpp"

namespace {

namespace ctf = tiffany::ctf;
namespace pal = tiffany::pal;

struct Unheard : ctf::FrameHandler {
    void facts(const ctf::TraceFacts& /*facts*/) override {}
    void begin(const pal::Begin& /*begin*/) override {}
    void discarded(const pal::Discarded& /*discarded*/) override {}
    void gap(const pal::Gap& /*gap*/) override {}
    void end(const pal::End& /*end*/) override {}
    void unknown(const ctf::Counts& /*events*/, const ctf::Counts& /*fields*/) override {}
    void left_out(std::uint64_t /*ticks*/) override {}
    void lacks(const std::string& /*what*/) override {}
    void cut(const std::string& /*what*/) override {}
};

struct Nowhere : pal::ByteSink {
    void write(std::string_view /*bytes*/) override {}
};

std::uint64_t decode(const std::string& directory) {
    ctf::RecordPool pool;
    const ctf::NextRecords next = ctf::native_source(directory, false, pool, [] {});
    ctf::RecordBatch batch{pool};
    Unheard unheard;
    std::uint64_t records = 0;
    for (; next(batch, unheard); batch.clear())
        records += batch.records().size();
    return records;
}

std::uint64_t digest(const std::string& directory, std::string_view how) {
    Nowhere nowhere;
    std::unique_ptr<pal::EntrySink> sink;
    if (how == "check") sink = std::make_unique<pal::LifecycleChecker>();
    if (how == "stats") sink = std::make_unique<tiffany::analysis::TaskStats>();
    if (how == "convert") sink = std::make_unique<pal::LogWriter>(nowhere);
    if (sink == nullptr) throw tiffany::Error{tiffany::ErrorKind::usage, "no such way to read it"};
    const auto open = [](const ctf::InputPart& trace, ctf::RecordPool& pool) {
        return ctf::native_source(trace.name, false, pool, [] {});
    };
    return ctf::merge_inputs(ctf::find_inputs({directory}), {}, open, *sink).records;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2 && argc != 3) {
        std::fputs("usage: trace_decode DIRECTORY [decode|check|stats|convert]\n", stderr);
        return 2;
    }
    const std::string_view how = argc == 3 ? argv[2] : "decode";
    try {
        const std::uint64_t records = how == "decode" ? decode(argv[1]) : digest(argv[1], how);
        std::printf("%llu\n", static_cast<unsigned long long>(records));
        return 0;
    } catch (const ctf::NotPlain& not_plain) {
        std::fprintf(stderr, "trace_decode: %s: %s\n", argv[1], not_plain.why.c_str());
    } catch (const tiffany::Error& error) {
        std::fprintf(stderr, "trace_decode: %s\n", error.one_line().c_str());
    }
    return 1;
}
