#include "stream_end.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <vector>

#include "index_check.hpp"

namespace tiffany::ctf {
namespace {

// lttng-ust 2.13: magic u32, uuid 16, stream_id u32, stream_instance_id u64, timestamps 2 u64, content_size u64,
// packet_size u64, packet_seq_num u64, events_discarded u64, cpu_id u32
constexpr std::size_t kStreamHeader = 84;
constexpr std::size_t kContentSizeAt = 48;
constexpr std::size_t kPacketSizeAt = 56;
constexpr std::size_t kSameInAll = sizeof kStreamMagic + 16;  // the magic number and the trace's uuid

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
    bool has_behind(std::uint64_t at, const std::string& bytes) const {
        constexpr std::size_t kAtOnce = std::size_t{1} << 20U;
        constexpr std::uint64_t kFarthest = std::uint64_t{64} << 20U;  // LTTng's own have a few MiB; a file may be vast
        std::vector<char> some(kAtOnce);
        for (const std::uint64_t end = at + kFarthest; at < end;) {
            const std::string_view found = read(++at, some.data(), some.size());
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
    std::array<char, kStreamHeader> header_{};
};

template <typename Number>
Number number_at(std::string_view bytes, std::size_t at) {
    Number value{};
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
}

/// Up to the first packet that is not whole.
void walk_whole_ones(StreamFile& file, StreamEnd& end) {
    const auto bad = [&end](const std::string& what) {
        return Error{ErrorKind::content, place_of(end.packets, end.bytes) + ": " + what};
    };
    while (end.bytes < file.size()) {
        const std::uint64_t left = file.size() - end.bytes;
        const std::string_view header = file.header(end.bytes);
        if (header.size() >= sizeof kStreamMagic && number_at<std::uint32_t>(header, 0) != kStreamMagic)
            throw bad("it has not the magic number");
        if (header.size() < kStreamHeader) break;
        const auto content_bits = number_at<std::uint64_t>(header, kContentSizeAt);
        const auto packet_bits = number_at<std::uint64_t>(header, kPacketSizeAt);
        if (packet_bits % 8 != 0 || packet_bits < kStreamHeader * 8 || content_bits > packet_bits ||
            content_bits < kStreamHeader * 8)
            throw bad("its sizes are wrong: content " + std::to_string(content_bits) + ", packet " +
                      std::to_string(packet_bits) + " bits");
        if (packet_bits / 8 > left) {
            if (file.has_behind(end.bytes, std::string{header.substr(0, kSameInAll)}))
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

StreamEnd find_stream_end(const std::string& file) {
    StreamEnd end{.file = file};
    std::uint64_t size = 0;
    try {
        StreamFile stream{file};
        size = stream.size();
        walk_whole_ones(stream, end);
    } catch (const Error& error) {
        throw error.within("cannot read stream " + file);
    }
    const IndexEnd index = check_index(file, size, end.bytes);
    end.index_bytes = index.bytes;
    end.is_cut = end.bytes < size || index.counts_more;
    return end;
}

}  // namespace tiffany::ctf
