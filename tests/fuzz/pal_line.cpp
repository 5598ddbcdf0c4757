// A line that is read without JSON gives what the reader of all JSON makes of it. A blank in front is nothing to that
// one, and the other leaves such a line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/log_line.hpp>

#include "taken.hpp"
#include "told.hpp"

namespace {

using tiffany::fuzz::told;
using tiffany::pal::EntryKind;
using tiffany::pal::LineParser;

tiffany::fuzz::Taken taken;  // lines that were read without JSON: if none is, JSON is compared with itself

std::string read_json(LineParser& parser, const std::string& line) {
    std::string padded = line;
    padded.resize(line.size() + LineParser::kPadding);
    try {
        const EntryKind kind = parser.parse({padded.data(), line.size()});
        return kind == EntryKind::record ? told(parser.record()) : std::to_string(static_cast<int>(kind));
    } catch (const tiffany::Error& error) {
        return error.one_line();
    }
}

std::string read(LineParser& parser, const std::string& line) {
    std::string padded = line + '\n';
    padded.resize(padded.size() + LineParser::kPadding);
    if (parser.take({padded.data(), line.size() + 1}) != line.size() + 1) return read_json(parser, line);
    taken.take();
    return told(parser.record());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
    taken.input();
    LineParser fast;  // both anew: each remembers the line before, which the input is to have all of
    LineParser json;
    const std::string lines(reinterpret_cast<const char*>(bytes), size);
    for (std::size_t begin = 0; begin < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', begin), lines.size());
        const std::string line = lines.substr(begin, end - begin);
        begin = end + 1;
        const std::string one = read(fast, line);
        const std::string other = read_json(json, ' ' + line);
        if (one == other) continue;
        std::fprintf(stderr, "%s\nwithout JSON: %s\nby JSON: %s\n", line.c_str(), one.c_str(), other.c_str());
        std::abort();
    }
    return 0;
}
