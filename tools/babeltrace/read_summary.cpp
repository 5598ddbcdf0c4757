#include "read_summary.hpp"

#include <algorithm>

namespace tiffany::ctf {

void add_sentences(std::vector<std::string>& to, const std::vector<std::string>& more) {
    constexpr std::size_t kMost = 256;  // a log that is not to be trusted can have any number, each to be compared
    static const std::string kMore = "there are more such notes than can be shown";
    for (const std::string& sentence : more) {
        if (to.size() > kMost) return;
        if (std::ranges::find(to, sentence) == to.end()) to.push_back(to.size() < kMost ? sentence : kMore);
    }
}

std::string unexplained_remark(std::uint64_t missing) {
    return std::to_string(missing) +
           " transitions are missing that the tracer did not discard (a filter, or a worker of --lossless that had "
           "waited for 2 s?)";
}

std::string bad_parts_remark(const std::string& log, std::uint64_t bad_parts) {
    return "cannot tell all of log " + (log == "-" ? "from the standard input" : log) + ": when it was made " +
           std::to_string(bad_parts) +
           (bad_parts == 1 ? " trace or log could not be read" : " traces or logs could not be read") +
           ", or not to the end";
}

}  // namespace tiffany::ctf
