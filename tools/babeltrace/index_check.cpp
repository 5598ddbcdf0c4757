#include "index_check.hpp"

#include <endian.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <tiffany/pal/error.hpp>

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

// big-endian, as LTTng writes it: magic, major, minor, bytes of an entry, u32 each
constexpr std::uint32_t kIndexMagic = 0xC1F1DCC1;
constexpr std::size_t kHeader = 16;
// offset (bytes), packet_size (bits), content_size, timestamps 2, events_discarded, stream_id, u64 each; of version 1.1
// two more, and who reads that reads them, whatever the header says of the entry's size
constexpr std::size_t kEntry = 7 * 8;
constexpr std::size_t kEntryOf11 = 9 * 8;
constexpr std::size_t kMostEntry = 4096;

std::uint32_t number32(const char* at) {
    std::uint32_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return be32toh(value);
}

std::uint64_t number64(const char* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return be64toh(value);
}

/// @param whole_bytes  nothing: not known
IndexEnd check(const std::string& stream, std::uint64_t stream_bytes, std::optional<std::uint64_t> whole_bytes) {
    const fs::path path = fs::path{stream}.parent_path() / "index" / (fs::path{stream}.filename().string() + ".idx");
    const auto bad = [&path](const std::string& what) {
        return Error{ErrorKind::content, "cannot read index " + path.string() + ": " + what};
    };
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    if (!S_ISREG(status.st_mode)) throw bad("it is no regular file");  // a fifo would be waited for
    std::ifstream file{path, std::ios::binary};
    std::array<char, kMostEntry> bytes{};
    if (!file.read(bytes.data(), kHeader)) return {};
    if (number32(bytes.data()) != kIndexMagic || number32(bytes.data() + 4) != 1) return {};
    const std::uint32_t entry = number32(bytes.data() + 12);
    const std::size_t least = number32(bytes.data() + 8) == 0 ? kEntry : kEntryOf11;
    if (entry < least || entry > kMostEntry)
        throw bad("its entries have a wrong size: " + std::to_string(entry) + " bytes");
    // of one that is cut babeltrace2 takes nothing
    const bool is_used = (static_cast<std::uint64_t>(status.st_size) - kHeader) % entry == 0;
    IndexEnd end{.bytes = kHeader};
    std::uint64_t at = 0;
    std::uint64_t last_at = 0;
    for (std::size_t packet = 0; file.read(bytes.data(), entry); ++packet) {
        const std::uint64_t offset = number64(bytes.data());
        const std::uint64_t size = number64(bytes.data() + 8) / 8;
        const bool all_told = whole_bytes && at == *whole_bytes && size != 0;
        const bool ends_behind = offset > stream_bytes || size > stream_bytes - offset;
        if (all_told && (ends_behind || (at != 0 && offset == last_at))) {
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
        last_at = at;
        at += size;
        end.bytes += entry;
    }
    return end;
}

}  // namespace

IndexEnd check_index(const std::string& stream, std::uint64_t stream_bytes, std::uint64_t whole_bytes) {
    return check(stream, stream_bytes, whole_bytes);
}

void check_index(const std::string& stream, std::uint64_t stream_bytes) {
    check(stream, stream_bytes, std::nullopt);
}

}  // namespace tiffany::ctf
