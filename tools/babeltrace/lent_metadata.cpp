#include "lent_metadata.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "private_directory.hpp"
#include "stream_names.hpp"
#include "twin_metadata.hpp"

namespace tiffany::ctf {
namespace fs = std::filesystem;

LentMetadata::LentMetadata(const std::vector<std::string>& traces, std::chrono::seconds patience) {
    if (traces.size() < 2) return;
    std::map<std::string, TwinMetadata> found;   // by trace
    std::map<std::string, std::string> longest;  // uuid -> the trace that has the most
    for (TwinMetadata& twin : metadata_of_twins(traces, patience)) {
        std::string& most = longest[twin.uuid];
        if (most.empty() || found[most].text.size() < twin.text.size()) most = twin.trace;
        found[twin.trace] = std::move(twin);
    }
    for (const auto& [trace, metadata] : found) {
        const std::string& lender = longest[metadata.uuid];
        const std::string& text = found[lender].text;
        // Metadata only ever grows at its end: what does not begin alike was not cut, it is another matter.
        if (text.size() > metadata.text.size() && text.starts_with(metadata.text)) lend(trace, lender, text);
    }
}

LentMetadata::~LentMetadata() {
    if (home_.empty()) return;
    std::error_code ignored;  // it lies in the directory for temporary files: a left-over is nobody's harm
    fs::remove_all(home_, ignored);
}

void LentMetadata::lend(const std::string& trace, const std::string& lender, const std::string& text) {
    if (home_.empty()) home_ = make_private_directory();
    const fs::path directory = fs::path{home_} / std::to_string(stand_ins_.size());
    const auto refuse = [&](const std::string& cause) {
        throw Error{ErrorKind::system, "cannot write " + directory.string() + ": " + cause};
    };
    std::error_code failed;
    fs::create_directory(directory, failed);
    if (failed) refuse(failed.message());
    for_each_stream(trace, [&](const fs::path& stream) {
        fs::create_symlink(fs::absolute(stream), directory / stream.filename(), failed);
        if (failed) refuse(failed.message());
    });
    errno = 0;
    std::ofstream file{directory / "metadata", std::ios::binary};
    file << text;
    file.close();
    if (!file) refuse(std::strerror(errno));
    stand_ins_[trace] = {directory.string(), lender};
}

std::optional<LentMetadata::StandIn> LentMetadata::of(const std::string& trace) const {
    const auto found = stand_ins_.find(trace);
    return found == stand_ins_.end() ? std::nullopt : std::optional{found->second};
}

}  // namespace tiffany::ctf
