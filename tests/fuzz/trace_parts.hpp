#pragma once
/// The input of the targets that read whole traces: [u16 size][metadata's text], then [u16 size][bytes] for the index
/// of the first stream and for three streams. An index or a stream without bytes is not there.

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "inputs.hpp"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* bytes, std::size_t size, std::size_t most);

namespace tiffany::fuzz {

inline constexpr std::array kFiles{"index/a.idx", "a", "b", "c"};
inline constexpr std::size_t kParts = kFiles.size() + 1;

using Parts = std::array<std::string, kParts>;

inline Parts parts_of(std::string_view input) {
    Parts parts;
    for (std::string& part : parts)
        part = take_part(input);
    return parts;
}

inline std::size_t put(const Parts& parts, std::uint8_t* out, std::size_t most) {
    std::string made;
    for (const std::string& part : parts) {
        const auto size = static_cast<std::uint16_t>(part.size());
        made.append(reinterpret_cast<const char*>(&size), sizeof size).append(part);
    }
    const std::size_t size = std::min(made.size(), most);
    std::memcpy(out, made.data(), size);
    return size;
}

/// Its index and its streams, where those of the input before may lie.
inline void write_streams(const Folder& folder, const Parts& parts) {
    for (std::size_t i = 0; i < kFiles.size(); ++i)
        if (parts.at(i + 1).empty())
            folder.remove(kFiles.at(i));
        else
            folder.write(kFiles.at(i), parts.at(i + 1));
}

/// Makes a stream's first packet as long as the stream: else most inputs end at its header.
inline void make_one_packet(std::string& stream) {
    constexpr std::size_t kSizes = 48;  // where its content's size is, in bits, and the packet's behind it
    const std::uint64_t bits = stream.size() * 8;
    if (stream.size() < kSizes + 2 * sizeof bits) return;
    std::memcpy(stream.data() + kSizes, &bits, sizeof bits);
    std::memcpy(stream.data() + kSizes + sizeof bits, &bits, sizeof bits);
}

/// Changes one part from `first` on, a stream twice as often as the others, and leaves the sizes right:
/// LLVMFuzzerCustomMutator's work.
inline std::size_t change_one_part(std::uint8_t* bytes, std::size_t size, std::size_t most, unsigned seed,
                                   std::size_t first = 0) {
    constexpr std::array<std::size_t, 7> kWhich{0, 0, 1, 2, 2, 3, 4};
    constexpr std::size_t kGrowth = 64;
    Parts parts = parts_of({reinterpret_cast<const char*>(bytes), size});
    const std::size_t which = std::max(first, kWhich.at(seed % kWhich.size()));
    std::string& part = parts.at(which);
    const std::size_t before = part.size();
    part.resize(std::min<std::size_t>(before + kGrowth, 0xffff));
    part.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(part.data()), before, part.size()));
    if (which > 1 && seed / kWhich.size() % 2 == 0) make_one_packet(part);
    return put(parts, bytes, most);
}

}  // namespace tiffany::fuzz
