#include "metadata_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "index_check.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

constexpr std::uint32_t kMetadataMagic = 0x75D11D57;

// CTF 1.8: magic u32, uuid 16, checksum u32, content_size u32, packet_size u32 (bits), five u8
constexpr std::size_t kMetadataHeader = 37;

Error bad(const std::string& what) {
    return Error{ErrorKind::content, what};
}

Error refused(const std::string& what) {
    return Error{ErrorKind::system, what + ": " + std::strerror(errno)};
}

std::uint32_t swapped(std::uint32_t value) {
    return __builtin_bswap32(value);
}

template <typename Number>
Number load(std::string_view bytes, std::size_t at) {
    Number value{};
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

std::string where(std::size_t packet, std::uint64_t at) {
    return "packet " + std::to_string(packet) + " at byte " + std::to_string(at) + ": ";
}

std::string sizes(std::uint64_t expected, std::uint64_t found) {
    return "expected " + std::to_string(expected) + " bytes, found " + std::to_string(found);
}

}  // namespace

std::string read_metadata(const std::string& directory, const std::function<void()>& on_progress,
                          std::size_t most_bytes) {
    const fs::path file = fs::path{directory} / "metadata";
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0) throw refused("cannot read " + file.string());
    if (!S_ISREG(status.st_mode)) throw bad("cannot read " + file.string() + ": it is no regular file");
    if (static_cast<std::uint64_t>(status.st_size) > most_bytes)
        throw bad("cannot read " + file.string() + ": more than " + std::to_string(most_bytes >> 20U) +
                  " MiB of metadata");
    std::ifstream in{file, std::ios::binary};
    if (!in) throw refused("cannot read " + file.string());
    std::string bytes;
    constexpr std::size_t kAtOnce = 64 * 1024;
    std::vector<char> some(kAtOnce);
    while (in.read(some.data(), static_cast<std::streamsize>(some.size())) || in.gcount() != 0) {
        bytes.append(some.data(), static_cast<std::size_t>(in.gcount()));
        on_progress();
    }
    if (!in.eof()) throw refused("cannot read " + file.string());
    return bytes;
}

namespace {

/// Whether stream packets are laid out as find_stream_end expects: by LTTng, in this machine's byte order.
bool lttng_layout(const std::string& text) {
    std::string tight;
    tight.reserve(text.size());
    std::copy_if(text.begin(), text.end(), std::back_inserter(tight),
                 [](char c) { return c != ' ' && c != '\t' && c != '\n' && c != '\r'; });
    constexpr bool little = std::endian::native == std::endian::little;
    for (const std::string_view needed :
         {std::string_view{little ? "byte_order=le;" : "byte_order=be;"},
          std::string_view{"{uint32_tmagic;uint8_tuuid[16];uint32_tstream_id;uint64_tstream_instance_id;}"},
          std::string_view{"timestamp_begin;uint64_clock_monotonic_ttimestamp_end;uint64_tcontent_size;"
                           "uint64_tpacket_size;uint64_tpacket_seq_num;"},
          std::string_view{"tracer_name=\"lttng-ust\""}})
        if (tight.find(needed) == std::string::npos) return false;
    return tight.find("size=64;align=64;") == std::string::npos;  // numbers lie where the last one ended
}

/// Whether TSDL text ends where a declaration ends. A cut between two packets leaves whole packets, but half a
/// sentence, and babeltrace2 does not say what it dislikes.
bool ends_well(std::string_view text) {
    std::size_t open = 0;
    char last = ';';
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\r') continue;
        if (text.substr(i, 2) == "/*") {
            const std::size_t end = text.find("*/", i + 2);
            if (end == std::string_view::npos) return false;
            i = end + 1;
            continue;
        }
        if (text.substr(i, 2) == "//") {
            i = std::min(text.find('\n', i), text.size());
            continue;
        }
        if (c == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i)
                if (text[i] == '\\') ++i;
            if (i >= text.size()) return false;
        }
        if (c == '{') ++open;
        if (c == '}' && open-- == 0) return false;
        last = c;
    }
    return open == 0 && last == ';';
}

}  // namespace

bool mend_program_name(std::string& text) {
    constexpr std::string_view kBefore = "procname = \"";
    constexpr std::string_view kBehind = "\";\n";
    constexpr std::size_t kLongest = 16;
    const std::size_t environment = text.find("env {");
    const std::size_t before = environment == text.npos ? environment : text.find(kBefore, environment);
    if (before == text.npos) return false;
    const std::size_t begin = before + kBefore.size();
    const std::size_t end = text.rfind(kBehind, begin + kLongest);  // the name may have the same in it
    if (end == text.npos || end < begin) return false;
    const auto is_plain = [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; };
    constexpr std::string_view kBreaks = "\"\\\n";
    if (std::string_view{text}.substr(begin, end - begin).find_first_of(kBreaks) == text.npos) return false;
    for (std::size_t at = begin; at < end; ++at)
        if (!is_plain(text[at])) text[at] = '?';
    return true;
}

std::string metadata_text(std::string_view bytes) {
    if (bytes.empty()) throw bad("it is empty");
    const bool has_magic = bytes.size() >= 4;
    const std::uint32_t magic = has_magic ? load<std::uint32_t>(bytes, 0) : 0;
    const bool foreign_order = has_magic && magic == swapped(kMetadataMagic);
    if (magic != kMetadataMagic && !foreign_order) {
        // not packets: then plain text, which begins so (CTF 1.8, 7.1). A cut is found by its parser.
        if (!bytes.starts_with("/* CTF 1.")) throw bad("it is no CTF metadata");
        if (bytes.find('\0') != std::string_view::npos) throw bad("it is text with a NUL in it");
        return std::string{bytes};
    }
    std::string text;
    std::string_view uuid;
    std::size_t packet = 0;
    for (std::size_t at = 0; at < bytes.size(); ++packet) {
        const std::string_view rest = bytes.substr(at);
        if (rest.size() < kMetadataHeader)
            throw bad(where(packet, at) + "its header is cut: " + sizes(kMetadataHeader, rest.size()));
        if (load<std::uint32_t>(rest, 0) != magic) throw bad(where(packet, at) + "it has not the magic number");
        if (packet == 0) uuid = rest.substr(4, 16);
        if (rest.substr(4, 16) != uuid) throw bad(where(packet, at) + "it is of another trace");
        auto content_bits = load<std::uint32_t>(rest, 24);
        auto packet_bits = load<std::uint32_t>(rest, 28);
        if (foreign_order) {
            content_bits = swapped(content_bits);
            packet_bits = swapped(packet_bits);
        }
        const std::size_t content = content_bits / 8;
        const std::size_t whole = packet_bits / 8;
        // babeltrace2 2.0.4 takes content_size - header without looking, and reads on past the end of the file
        if (content_bits % 8 != 0 || packet_bits % 8 != 0 || content < kMetadataHeader || content > whole)
            throw bad(where(packet, at) + "its sizes are wrong: content " + std::to_string(content_bits) + ", packet " +
                      std::to_string(packet_bits) + " bits");
        if (whole > rest.size()) throw bad(where(packet, at) + "it is cut: " + sizes(whole, rest.size()));
        if (rest[35] != 1 || rest[36] != 8) throw bad(where(packet, at) + "it is not of CTF 1.8");
        if (load<std::uint32_t>(rest, 20) != 0 || rest[32] != 0 || rest[33] != 0 || rest[34] != 0)
            throw bad(where(packet, at) +
                      "it is compressed, encrypted or has a checksum, which babeltrace2 cannot read");
        text.append(rest.substr(kMetadataHeader, content - kMetadataHeader));
        at += whole;
    }
    return text;
}

CheckedFiles check_files(const std::string& directory, const std::function<void()>& on_progress) {
    const fs::path metadata = fs::path{directory} / "metadata";
    const std::string bytes = read_metadata(directory, on_progress);
    CheckedFiles checked;
    try {
        checked.metadata = metadata_text(bytes);
    } catch (const Error& error) {
        throw error.within("cannot read metadata " + metadata.string());
    }
    checked.odd_name = mend_program_name(checked.metadata);
    if (!ends_well(checked.metadata))
        throw bad("cannot read metadata " + metadata.string() + ": it is cut: its last declaration has no end");
    const bool known_layout = lttng_layout(checked.metadata);
    std::error_code failed;
    for (fs::directory_iterator entry{directory, failed}, none; !failed && entry != none; entry.increment(failed)) {
        const std::string name = entry->path().filename().string();
        if (name == "metadata" || name.starts_with(".") || entry->is_directory()) continue;
        const std::string stream = entry->path().string();
        if (!entry->is_regular_file()) throw bad("cannot read stream " + stream + ": it is no regular file");
        if (!known_layout) {
            check_index(stream, entry->file_size(), on_progress);
            continue;
        }
        StreamEnd end = find_stream_end(stream, on_progress);
        if (end.is_cut) checked.cut.push_back(std::move(end));
    }
    if (failed) throw Error{ErrorKind::system, "cannot read " + directory + ": " + failed.message()};
    std::ranges::sort(checked.cut, {}, &StreamEnd::file);
    return checked;
}

}  // namespace tiffany::ctf
