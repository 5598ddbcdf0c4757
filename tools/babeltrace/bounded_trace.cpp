#include "bounded_trace.hpp"

#include <endian.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <tiffany/pal/error.hpp>

#include "private_directory.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

// where a packet's header has them, as find_stream_end knows it to be laid out
constexpr std::size_t kStreamIdAt = 20;  // u32, then the instance u64
constexpr std::size_t kNumbersAt = 32;   // timestamps 2, content_size, packet_size, packet_seq_num, events_discarded
constexpr std::size_t kNumbers = 6;      // u64 each
constexpr std::size_t kFromHeader = kNumbersAt + kNumbers * sizeof(std::uint64_t);

Error cannot_write(const fs::path& path, int cause) {
    return Error{ErrorKind::system, "cannot write " + path.string() + ": " + std::strerror(cause)};
}

void link_to(const fs::path& to, const fs::path& from) {
    std::error_code failed;
    fs::create_symlink(fs::absolute(to), from, failed);
    if (failed) throw cannot_write(from, failed.value());
}

template <typename Number>
void put_big_endian(std::ostream& out, Number value) {
    if constexpr (sizeof value == 4)
        value = htobe32(value);
    else
        value = htobe64(value);
    out.write(reinterpret_cast<const char*>(&value), sizeof value);
}

/// LTTng's index, version 1.1, of the whole packets of a stream. The last of them ends where the file does.
void write_index(const StreamEnd& stream, const fs::path& to) {
    std::ifstream in{stream.file, std::ios::binary};
    std::error_code failed;
    const std::uint64_t file_bytes = fs::file_size(stream.file, failed);
    errno = 0;
    std::ofstream out{to, std::ios::binary};
    constexpr std::uint32_t kEntryBytes = 9 * sizeof(std::uint64_t);
    for (const std::uint32_t word : {0xC1F1DCC1U, 1U, 1U, kEntryBytes})
        put_big_endian(out, word);
    std::uint64_t at = 0;
    for (std::size_t packet = 0; packet < stream.packets; ++packet) {
        std::array<char, kFromHeader> header{};
        if (!in.seekg(static_cast<std::streamoff>(at)) || !in.read(header.data(), header.size()))
            throw Error{ErrorKind::system, "cannot read stream " + stream.file + ": it changes"};
        std::array<std::uint64_t, kNumbers> numbers{};
        std::memcpy(numbers.data(), header.data() + kNumbersAt, sizeof numbers);
        const auto [begin, end, content_bits, packet_bits, number, discarded] = numbers;
        std::uint32_t id = 0;
        std::uint64_t instance = 0;
        std::memcpy(&id, header.data() + kStreamIdAt, sizeof id);
        std::memcpy(&instance, header.data() + kStreamIdAt + sizeof id, sizeof instance);
        const std::uint64_t bits = packet + 1 == stream.packets ? (file_bytes - at) * 8 : packet_bits;
        for (const std::uint64_t field :
             {at, bits, content_bits, begin, end, discarded, std::uint64_t{id}, instance, number})
            put_big_endian(out, field);
        at += packet_bits / 8;
    }
    out.close();
    if (!out) throw cannot_write(to, errno);
}

void link_all(const fs::path& home, const fs::path& trace, const std::vector<StreamEnd>& cut) {
    fs::create_directory(home / "index");
    for (const fs::directory_entry& entry : fs::directory_iterator{trace}) {
        const fs::path name = entry.path().filename();
        if (name.string().starts_with(".") || entry.is_directory()) continue;
        const fs::path index = fs::path{"index"} / (name.string() + ".idx");
        const auto half = std::ranges::find(cut, entry.path().string(), &StreamEnd::file);
        if (half != cut.end() && half->packets == 0) continue;
        link_to(entry.path(), home / name);
        if (half != cut.end())
            write_index(*half, home / index);
        else if (fs::exists(trace / index))
            link_to(trace / index, home / index);
    }
}

}  // namespace

BoundedTrace::BoundedTrace(const std::string& trace, const std::vector<StreamEnd>& cut)
    : home_{make_private_directory()} {
    try {
        link_all(home_, trace, cut);
    } catch (const fs::filesystem_error& error) {
        std::error_code ignored;
        fs::remove_all(home_, ignored);
        throw Error{ErrorKind::system, std::string{"cannot read "} + trace + ": " + error.code().message()};
    } catch (...) {
        std::error_code ignored;
        fs::remove_all(home_, ignored);
        throw;
    }
}

BoundedTrace::~BoundedTrace() {
    std::error_code ignored;  // it lies in the directory for temporary files: a left-over is nobody's harm
    fs::remove_all(home_, ignored);
}

}  // namespace tiffany::ctf
