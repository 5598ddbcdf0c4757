#include "index_check.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <tiffany/pal/error.hpp>

#include "index_layout.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

/// @param whole_bytes  nothing: not known
IndexEnd check(const std::string& stream, std::uint64_t stream_bytes, std::optional<std::uint64_t> whole_bytes,
               const std::function<void()>& on_progress) {
    const fs::path path = index_of(stream);
    const auto bad = [&path](const std::string& what) {
        return Error{ErrorKind::content, "cannot read index " + path.string() + ": " + what};
    };
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    if (!S_ISREG(status.st_mode)) throw bad("it is no regular file");  // a fifo would be waited for
    std::ifstream file{path, std::ios::binary};
    std::array<char, kMostIndexEntry> bytes{};
    if (!file.read(bytes.data(), sizeof(IndexHeader))) return {};
    const auto header = from_index<IndexHeader>(bytes.data());
    if (header.magic != IndexHeader::kMagic || header.major != 1) return {};
    const std::uint32_t entry = header.entry_bytes;
    const std::size_t least = header.minor == 0 ? kIndexEntryOf10 : sizeof(IndexEntry);
    if (entry < least || entry > kMostIndexEntry)
        throw bad("its entries have a wrong size: " + std::to_string(entry) + " bytes");
    // of one that is cut babeltrace2 takes nothing
    const bool is_used = (static_cast<std::uint64_t>(status.st_size) - sizeof(IndexHeader)) % entry == 0;
    IndexEnd end{.bytes = sizeof(IndexHeader)};
    std::uint64_t at = 0;
    for (std::size_t packet = 0; file.read(bytes.data(), entry); ++packet) {
        on_progress();
        const auto told = from_index<IndexEntry>(bytes.data(), kIndexEntryOf10);
        const std::uint64_t offset = told.offset;
        const std::uint64_t size = told.packet_bits / 8;
        const bool all_told = whole_bytes && at == *whole_bytes && size != 0;
        const bool ends_behind = offset > stream_bytes || size > stream_bytes - offset;
        if (all_told && (ends_behind || offset < at)) {
            end.counts_more = true;
            continue;
        }
        const bool is_elsewhere = offset != at;
        if (!is_used && (is_elsewhere || ends_behind)) return {};
        const auto where = [&] { return "packet " + std::to_string(packet) + ": "; };
        if (is_elsewhere)
            throw bad(where() + "expected at byte " + std::to_string(at) + ", found at " + std::to_string(offset));
        if (ends_behind) throw bad(where() + "it would lie behind the end of the stream");
        if (whole_bytes && size > *whole_bytes - at) throw bad(where() + "the stream has no whole packet there");
        at += size;
        end.bytes += entry;
    }
    return end;
}

}  // namespace

IndexEnd check_index(const std::string& stream, std::uint64_t stream_bytes, std::uint64_t whole_bytes,
                     const std::function<void()>& on_progress) {
    return check(stream, stream_bytes, whole_bytes, on_progress);
}

void check_index(const std::string& stream, std::uint64_t stream_bytes, const std::function<void()>& on_progress) {
    check(stream, stream_bytes, std::nullopt, on_progress);
}

}  // namespace tiffany::ctf
