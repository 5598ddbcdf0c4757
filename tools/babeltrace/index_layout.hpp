#pragma once
/// What LTTng writes into `index/STREAM.idx` beside a stream file: a header, and an entry for each packet, in
/// big-endian numbers. Nobody else says it.

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <string>

namespace tiffany::ctf {

struct IndexHeader {
    using Word = std::uint32_t;
    static constexpr Word kMagic = 0xC1F1DCC1;

    Word magic = kMagic;
    Word major = 1;
    Word minor = 1;
    Word entry_bytes = 0;
};

struct IndexEntry {
    using Word = std::uint64_t;

    Word offset = 0;  ///< bytes
    Word packet_bits = 0;
    Word content_bits = 0;
    Word begin = 0;
    Word end = 0;
    Word discarded = 0;
    Word stream_id = 0;
    // of version 1.1; who reads that reads them, whatever the header says of the entry's size
    Word instance_id = 0;
    Word number = 0;
};

constexpr std::size_t kIndexEntryOf10 = offsetof(IndexEntry, instance_id);
constexpr std::size_t kMostIndexEntry = 4096;  // bytes: a later version may have more in it, but not anything

/// From this machine's order of bytes to that of the file, and back.
template <typename Record>
Record swapped(const Record& record) {
    using Word = typename Record::Word;
    auto words = std::bit_cast<std::array<Word, sizeof(Record) / sizeof(Word)>>(record);
    for (Word& word : words)
        if constexpr (std::endian::native == std::endian::big)
            break;
        else if constexpr (sizeof word == sizeof(std::uint32_t))
            word = __builtin_bswap32(word);
        else
            word = __builtin_bswap64(word);
    return std::bit_cast<Record>(words);
}

/// @param have  so many bytes of it are there; what lies behind is 0
template <typename Record>
Record from_index(const char* bytes, std::size_t have = sizeof(Record)) {
    Record made{};
    std::memcpy(&made, bytes, have);
    return swapped(made);
}

template <typename Record>
std::string to_index(const Record& record) {
    const Record made = swapped(record);
    return {reinterpret_cast<const char*>(&made), sizeof made};
}

inline std::filesystem::path index_of(const std::filesystem::path& stream) {
    return stream.parent_path() / "index" / (stream.filename().string() + ".idx");
}

}  // namespace tiffany::ctf
