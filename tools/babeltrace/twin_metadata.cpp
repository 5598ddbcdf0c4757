#include "twin_metadata.hpp"

#include <array>
#include <cstddef>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <utility>

#include "confine.hpp"
#include "metadata_check.hpp"
#include "metadata_child.hpp"
#include "packet_layout.hpp"
#include "stream_names.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kUuidText = 36;
constexpr std::size_t kMostLent = std::size_t{8} << 20;  // ours have 30 KiB; that of all twins is held at once
constexpr std::size_t kSideBySide = 8;                   // processes

/// As the metadata says it: in the block `trace`, before anything that has a UUID of its own.
std::string uuid_in_text(std::string_view text) {
    constexpr std::string_view kBefore = "uuid = \"";
    const std::size_t block = text.find("trace {");
    if (block == std::string_view::npos) return "";
    const std::size_t at = text.find(kBefore, block);
    if (at == std::string_view::npos || text.size() - at < kBefore.size() + kUuidText) return "";
    return std::string{text.substr(at + kBefore.size(), kUuidText)};
}

std::string text_of(const std::array<unsigned char, 16>& bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
        text += kDigits[bytes[i] >> 4U];
        text += kDigits[bytes[i] & 15U];
    }
    return text;
}

/// As the first packet of a stream says it, which is laid out as LTTng does it.
std::string uuid_in_streams(const std::string& directory) {
    std::string uuid;
    for_each_stream(directory, [&uuid](const fs::path& stream) {
        std::array<char, sizeof(RawPacket)> bytes{};
        std::ifstream file{stream, std::ios::binary};
        if (!uuid.empty() || !file.read(bytes.data(), kSameInAllPackets)) return;
        if (const RawPacket start = RawPacket::at(bytes.data()); start.magic == kStreamMagic)
            uuid = text_of(start.uuid);
    });
    return uuid;
}

/// In a confined process. Errors: its metadata is not there, or is too much.
ToldMetadata look_at(const std::string& directory, FrameWriter& writer) {
    const std::string bytes = read_metadata(
        directory, [&writer] { writer.alive(); }, kMostLent);
    ToldMetadata told;
    try {
        told.text = metadata_text(bytes);
    } catch (const Error&) {  // cut within a packet
    }
    told.uuid = uuid_in_text(told.text);
    if (told.uuid.empty()) told.uuid = uuid_in_streams(directory);
    return told;
}

/// Those that may have a twin. What was told of a trace is a hint: it may keep its metadata from being lent, or cost a
/// process in vain.
std::vector<std::string> may_be_twins(const std::vector<std::string>& traces, std::chrono::seconds patience) {
    const auto tell_uuids = [&traces](FrameWriter& writer) {
        confine(traces);
        for (const std::string& trace : traces) {
            writer.alive();
            try {
                writer.metadata(look_at(trace, writer).uuid, {});
            } catch (const Error&) {
                writer.metadata({}, {});
            }
        }
    };
    const std::vector<ToldMetadata> told =
        MetadataChild{"the metadata of all", tell_uuids, patience, traces.size(), 0}.all();
    if (told.size() != traces.size()) return traces;
    std::map<std::string_view, std::size_t> times;
    for (const ToldMetadata& of_one : told)
        ++times[of_one.uuid];
    std::vector<std::string> found;
    for (std::size_t i = 0; i < traces.size(); ++i)
        if (!told[i].uuid.empty() && times[told[i].uuid] > 1) found.push_back(traces[i]);
    return found;
}

}  // namespace

std::vector<TwinMetadata> metadata_of_twins(const std::vector<std::string>& traces, std::chrono::seconds patience) try {
    const std::vector<std::string> twins = may_be_twins(traces, patience);
    std::vector<TwinMetadata> made;
    std::deque<MetadataChild> children;
    auto next = twins.begin();
    for (const std::string& trace : twins) {
        for (; next != twins.end() && children.size() < kSideBySide; ++next) {
            const auto tell = [&trace = *next](FrameWriter& writer) {
                confine({trace});
                const ToldMetadata told = look_at(trace, writer);
                writer.metadata(told.uuid, told.text);
            };
            children.emplace_back(trace, tell, patience, 1, kMostLent);
        }
        std::vector<ToldMetadata> told = children.front().all();
        children.pop_front();
        if (told.size() == 1 && !told[0].uuid.empty())
            made.push_back({trace, std::move(told[0].uuid), std::move(told[0].text)});
    }
    return made;
} catch (const Error&) {  // no process can be had
    return {};
}

}  // namespace tiffany::ctf
