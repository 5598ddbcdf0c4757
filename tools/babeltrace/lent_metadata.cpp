#include "lent_metadata.hpp"

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <tiffany/pal/error.hpp>

#include "metadata_check.hpp"
#include "private_directory.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUuidText = 36;
constexpr std::size_t kUuidBytes = 16;
constexpr std::size_t kMostLent = std::size_t{8} << 20;  // ours have 30 KiB; that of all traces is held at once

struct Metadata {
    std::string text;  // "" = it cannot be read
    std::string uuid;  // of the trace; "" = not known
};

/// As the metadata says it: in the block `trace`, before anything that has a UUID of its own.
std::string uuid_in_text(std::string_view text) {
    constexpr std::string_view kBefore = "uuid = \"";
    const std::size_t block = text.find("trace {");
    if (block == std::string_view::npos) return "";
    const std::size_t at = text.find(kBefore, block);
    if (at == std::string_view::npos || text.size() - at < kBefore.size() + kUuidText) return "";
    return std::string{text.substr(at + kBefore.size(), kUuidText)};
}

std::string as_text(std::string_view bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        const auto byte = static_cast<unsigned char>(bytes[i]);
        text += kDigits[byte >> 4U];
        text += kDigits[byte & 15U];
    }
    return text;
}

bool is_stream(const fs::directory_entry& entry) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    return name != "metadata" && !name.starts_with(".") && entry.is_regular_file(ignored);
}

template <typename Do>
void for_each_stream(const std::string& directory, const Do& act) {
    std::error_code failed;  // what cannot be listed is told when the trace is read
    for (fs::directory_iterator entry{directory, failed}, none; !failed && entry != none; entry.increment(failed))
        if (is_stream(*entry)) act(entry->path());
}

/// As the first packet of a stream says it, which is laid out as LTTng does it: magic u32, uuid 16.
std::string uuid_in_streams(const std::string& directory) {
    std::string uuid;
    for_each_stream(directory, [&uuid](const fs::path& stream) {
        std::array<char, sizeof kStreamMagic + kUuidBytes> start{};
        std::ifstream file{stream, std::ios::binary};
        if (!uuid.empty() || !file.read(start.data(), start.size())) return;
        if (std::memcmp(start.data(), &kStreamMagic, sizeof kStreamMagic) != 0) return;
        uuid = as_text({start.data() + sizeof kStreamMagic, kUuidBytes});
    });
    return uuid;
}

std::optional<Metadata> metadata_of(const std::string& directory) {
    std::string bytes;
    try {
        bytes = read_metadata(directory, kMostLent);
    } catch (const Error&) {
        return std::nullopt;  // told when the trace is read
    }
    Metadata found;
    try {
        found.text = metadata_text(bytes);
    } catch (const Error&) {  // cut within a packet
    }
    found.uuid = uuid_in_text(found.text);
    if (found.uuid.empty()) found.uuid = uuid_in_streams(directory);
    return found;
}

}  // namespace

LentMetadata::LentMetadata(const std::vector<std::string>& traces) {
    if (traces.size() < 2) return;
    std::map<std::string, Metadata> found;       // by trace
    std::map<std::string, std::string> longest;  // uuid -> the trace that has the most
    for (const std::string& trace : traces) {
        std::optional<Metadata> metadata = metadata_of(trace);
        if (!metadata || metadata->uuid.empty()) continue;
        std::string& most = longest[metadata->uuid];
        if (most.empty() || found[most].text.size() < metadata->text.size()) most = trace;
        found[trace] = *std::move(metadata);
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
