#include "stream_end.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "index_check.hpp"
#include "packet_layout.hpp"

namespace tiffany::ctf {
namespace {

std::string place_of(std::size_t packet, std::uint64_t at) {
    return "packet " + std::to_string(packet) + " at byte " + std::to_string(at);
}

/// A stream file, read header by header.
class StreamFile {
  public:
    explicit StreamFile(const std::string& file) : fd_{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)} {
        if (fd_ < 0) throw refused("cannot open");
        struct stat status {};
        if (::fstat(fd_, &status) != 0) throw refused("cannot read");
        size_ = static_cast<std::uint64_t>(status.st_size);
    }
    ~StreamFile() { ::close(fd_); }
    StreamFile(const StreamFile&) = delete;
    StreamFile& operator=(const StreamFile&) = delete;

    std::uint64_t size() const { return size_; }
    std::string_view header(std::uint64_t at) { return read(at, header_.data(), header_.size()); }

    /// Whether these bytes are in the file behind `at`, as far as a packet reaches.
    bool has_behind(std::uint64_t at, const std::string& bytes, const std::function<void()>& on_progress) const {
        constexpr std::size_t kAtOnce = std::size_t{1} << 20U;
        constexpr std::uint64_t kFarthest = std::uint64_t{64} << 20U;  // LTTng's own have a few MiB; a file may be vast
        std::vector<char> some(kAtOnce);
        for (const std::uint64_t end = at + kFarthest; at < end;) {
            const std::string_view found = read(++at, some.data(), some.size());
            on_progress();
            if (found.find(bytes) != std::string_view::npos) return true;
            if (found.size() < some.size()) return false;
            at += found.size() - bytes.size();
        }
        return false;
    }

  private:
    static Error refused(const std::string& what) {
        return Error{ErrorKind::system, what + ": " + std::strerror(errno)};
    }
    std::string_view read(std::uint64_t at, char* to, std::size_t most) const {
        const ssize_t got = ::pread(fd_, to, most, static_cast<off_t>(at));
        if (got < 0) throw refused("cannot read");
        return {to, static_cast<std::size_t>(got)};
    }

    int fd_;
    std::uint64_t size_ = 0;
    std::array<char, sizeof(RawPacket)> header_{};
};

/// Up to the first packet that is not whole.
void walk_whole_ones(StreamFile& file, StreamEnd& end, const std::function<void()>& on_progress) {
    const auto bad = [&end](const std::string& what) {
        return Error{ErrorKind::content, place_of(end.packets, end.bytes) + ": " + what};
    };
    while (end.bytes < file.size()) {
        const std::uint64_t left = file.size() - end.bytes;
        const std::string_view header = file.header(end.bytes);
        on_progress();
        if (header.size() >= sizeof kStreamMagic && std::memcmp(header.data(), &kStreamMagic, sizeof kStreamMagic) != 0)
            throw bad("it has not the magic number");
        if (header.size() < sizeof(RawPacket)) break;
        const RawPacket packet = RawPacket::at(header.data());
        const std::uint64_t content_bits = packet.content_bits;
        const std::uint64_t packet_bits = packet.packet_bits;
        constexpr std::uint64_t kLeastBits = sizeof(RawPacket) * 8;
        // babeltrace2 2.0.4 takes a size as signed, and aborts at one below 0. That it sees only the whole packets is
        // not enough: an index in which one ends before it begins it refuses, and goes by the headers
        constexpr std::uint64_t kMostBits = std::numeric_limits<std::int64_t>::max();
        if (packet_bits % 8 != 0 || packet_bits < kLeastBits || packet_bits > kMostBits || content_bits > packet_bits ||
            content_bits < kLeastBits)
            throw bad("its sizes are wrong: content " + std::to_string(content_bits) + ", packet " +
                      std::to_string(packet_bits) + " bits");
        // babeltrace2 2.0.4 takes such a number for one that is not told, and aborts for want of it
        if (packet.stands_for_none()) throw bad("it has a number or a time that stands for none: 2^64 - 1");
        if (packet_bits / 8 > left) {
            if (file.has_behind(end.bytes, std::string{header.substr(0, kSameInAllPackets)}, on_progress))
                throw bad("its size is wrong: " + std::to_string(packet_bits / 8) +
                          " bytes, and another packet begins within them");
            break;
        }
        end.bytes += packet_bits / 8;
        ++end.packets;
    }
}

}  // namespace

std::string StreamEnd::sentence() const {
    return "cannot read all of stream " + file + ": " + place_of(packets, bytes) + " is cut";
}

StreamEnd find_stream_end(const std::string& file, const std::function<void()>& on_progress) {
    StreamEnd end{.file = file};
    std::uint64_t size = 0;
    try {
        StreamFile stream{file};
        size = stream.size();
        walk_whole_ones(stream, end, on_progress);
    } catch (const Error& error) {
        throw error.within("cannot read stream " + file);
    }
    const IndexEnd index = check_index(file, size, end.bytes, on_progress);
    end.index_bytes = index.bytes;
    end.is_cut = end.bytes < size || index.counts_more;
    return end;
}

}  // namespace tiffany::ctf
