#include "whole_index.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <tiffany/pal/error.hpp>

#include "index_layout.hpp"
#include "packet_layout.hpp"

namespace tiffany::ctf {

void write_whole_index(const StreamEnd& stream, const std::function<void(std::string_view)>& put,
                       const std::function<void()>& on_progress) {
    std::ifstream in{stream.file, std::ios::binary};
    std::error_code failed;
    const std::uint64_t file_bytes = std::filesystem::file_size(stream.file, failed);
    put(to_index(IndexHeader{.entry_bytes = sizeof(IndexEntry)}));
    std::uint64_t at = 0;
    for (std::size_t packet = 0; packet < stream.packets; ++packet) {
        on_progress();
        std::array<char, sizeof(RawPacket)> bytes{};
        if (!in.seekg(static_cast<std::streamoff>(at)) || !in.read(bytes.data(), bytes.size()))
            throw Error{ErrorKind::system, "cannot read stream " + stream.file + ": it changes"};
        const RawPacket header = RawPacket::at(bytes.data());
        // babeltrace2 refuses an index in which one ends before it begins, as a packet does that a crash left, goes by
        // the headers, and meets the half one. When a packet ends it takes from the packet itself.
        const std::uint64_t begin = header.begin;
        put(to_index(IndexEntry{
            .offset = at,
            .packet_bits = packet + 1 == stream.packets ? (file_bytes - at) * 8 : header.packet_bits,
            .content_bits = header.content_bits,
            .begin = begin,
            .end = std::max<std::uint64_t>(begin, header.end),
            .discarded = header.discarded,
            .stream_id = header.stream_id,
            .instance_id = header.instance_id,
            .number = header.number,
        }));
        at += header.packet_bits / 8;
    }
}

}  // namespace tiffany::ctf
