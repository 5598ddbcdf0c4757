#include "index_check.hpp"

#include <endian.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
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

}  // namespace

void check_index(const std::string& stream, std::uint64_t stream_bytes) {
    const fs::path path = fs::path{stream}.parent_path() / "index" / (fs::path{stream}.filename().string() + ".idx");
    const auto bad = [&path](const std::string& what) {
        return Error{ErrorKind::content, "cannot read index " + path.string() + ": " + what};
    };
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return;
    if (!S_ISREG(status.st_mode)) throw bad("it is no regular file");  // a fifo would be waited for
    std::ifstream file{path, std::ios::binary};
    std::array<char, kMostEntry> bytes{};
    if (!file.read(bytes.data(), kHeader)) return;
    if (number32(bytes.data()) != kIndexMagic || number32(bytes.data() + 4) != 1) return;
    const std::uint32_t entry = number32(bytes.data() + 12);
    const std::size_t least = number32(bytes.data() + 8) == 0 ? kEntry : kEntryOf11;
    if (entry < least || entry > kMostEntry)
        throw bad("its entries have a wrong size: " + std::to_string(entry) + " bytes");
    if ((static_cast<std::uint64_t>(status.st_size) - kHeader) % entry != 0) return;
    std::uint64_t at = 0;
    for (std::size_t packet = 0; file.read(bytes.data(), entry); ++packet) {
        const std::uint64_t offset = number64(bytes.data());
        const std::uint64_t size = number64(bytes.data() + 8) / 8;
        const auto where = [&] { return "packet " + std::to_string(packet) + ": "; };
        if (offset != at)
            throw bad(where() + "expected at byte " + std::to_string(at) + ", found at " + std::to_string(offset));
        if (size > stream_bytes - at) throw bad(where() + "it would lie behind the end of the stream");
        at += size;
    }
}

}  // namespace tiffany::ctf
