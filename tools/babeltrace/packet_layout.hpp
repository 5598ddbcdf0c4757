#pragma once
/// Where lttng-ust 2.11 or later puts what in the header and the context of a stream's packet, in the machine's byte
/// order. Nobody else says it; whether a trace has it so its metadata tells.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace tiffany::ctf {

constexpr std::uint32_t kStreamMagic = 0xC1FC1FC1;  // each packet of a stream begins with it (CTF 1.8.3, 5.1)

/// The bytes themselves: nothing of it has been looked at. Sizes are in bits, times in cycles of the clock.
struct [[gnu::packed]] RawPacket {
    std::uint32_t magic;
    std::array<unsigned char, 16> uuid;  ///< of the trace
    std::uint32_t stream_id;
    std::uint64_t instance_id;
    std::uint64_t begin;
    std::uint64_t end;
    std::uint64_t content_bits;  ///< with this header
    std::uint64_t packet_bits;   ///< likewise; with what is left empty
    std::uint64_t number;
    std::uint64_t discarded;  ///< events, up to its end
    std::uint32_t cpu;

    /// Whether it has a number of all ones, which LTTng never writes.
    bool stands_for_none() const {
        constexpr std::uint64_t kNone = ~std::uint64_t{0};
        return instance_id == kNone || begin == kNone || end == kNone || number == kNone || discarded == kNone;
    }

    /// Reads as many bytes as it has.
    static RawPacket at(const void* bytes) {
        RawPacket made;
        std::memcpy(&made, bytes, sizeof made);
        return made;
    }
};
static_assert(sizeof(RawPacket) == 84);

/// The magic number and the trace's uuid: so each packet of a trace begins.
constexpr std::size_t kSameInAllPackets = offsetof(RawPacket, stream_id);

}  // namespace tiffany::ctf
