// Decodes a plain trace in its own process, where callgrind can count it: the process that `paltrace` decodes in
// confines itself, and valgrind with it.
//
//     trace_decode DIRECTORY     prints how many records were in it

#include <cstdint>
#include <cstdio>
#include <tiffany/pal/error.hpp>

#include "tools/babeltrace/event_layout.hpp"
#include "tools/babeltrace/metadata_check.hpp"
#include "tools/babeltrace/native_reader.hpp"

namespace {

struct Counting : tiffany::ctf::TraceSink {
    void facts(const tiffany::ctf::TraceFacts& /*facts*/) override {}
    void record(const tiffany::pal::Record& /*record*/) override { ++records; }
    void discarded(const tiffany::pal::Discarded& /*discarded*/) override {}

    std::uint64_t records = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fputs("usage: trace_decode DIRECTORY\n", stderr);
        return 2;
    }
    try {
        Counting counting;
        tiffany::ctf::read_plain_trace(argv[1], tiffany::ctf::check_files(argv[1]), false, counting, [] {});
        std::printf("%llu\n", static_cast<unsigned long long>(counting.records));
        return 0;
    } catch (const tiffany::ctf::NotPlain& not_plain) {
        std::fprintf(stderr, "trace_decode: %s: %s\n", argv[1], not_plain.why.c_str());
    } catch (const tiffany::Error& error) {
        std::fprintf(stderr, "trace_decode: %s\n", error.one_line().c_str());
    }
    return 1;
}
