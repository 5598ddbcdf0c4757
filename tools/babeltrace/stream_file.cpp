#include "stream_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <tuple>
#include <utility>

#include "index_layout.hpp"

namespace tiffany::ctf {
namespace {

namespace fs = std::filesystem;

static_assert(std::endian::native == std::endian::little, "plain traces are read as they lie in memory");

/// LTTng's own index of the packets of a file, read along with them.
class Index {
  public:
    /// @param counts_more  it may tell of half a packet, or half of one, behind the whole ones
    Index(const fs::path& file, bool counts_more) : is_there_{fs::exists(file)}, counts_more_{counts_more} {
        if (!is_there_) return;
        in_.open(file, std::ios::binary);
        std::array<char, sizeof(IndexHeader)> bytes_of_header{};
        in_.read(bytes_of_header.data(), bytes_of_header.size());
        const auto header = from_index<IndexHeader>(bytes_of_header.data());
        if (!in_ || header.magic != IndexHeader::kMagic) throw NotPlain{file.string() + " is no index"};
        entry_ = header.entry_bytes;
        if (entry_ < kUsed || entry_ > kMostIndexEntry) throw NotPlain{file.string() + " has entries of an odd size"};
        const std::uint64_t bytes = fs::file_size(file) - sizeof header;
        if (bytes % entry_ != 0 && !counts_more) throw NotPlain{file.string() + " is cut"};
        left_ = bytes / entry_;
    }

    /// Takes the next entry.
    bool agrees(std::uint64_t at, const PacketHeader& header) {
        if (!is_there_) return true;
        if (left_ == 0) return false;
        --left_;
        std::array<char, kUsed> bytes{};
        if (!in_.read(bytes.data(), bytes.size())) return false;
        in_.ignore(static_cast<std::streamsize>(entry_ - kUsed));
        const auto told = from_index<IndexEntry>(bytes.data(), bytes.size());
        return told.offset == at && told.packet_bits == header.packet_bytes * 8 &&
               told.content_bits == header.content_bytes * 8 && told.begin == header.begin && told.end == header.end &&
               told.stream_id == header.stream_id;
    }
    bool is_at_its_end() const { return left_ == 0 || counts_more_; }

  private:
    static constexpr std::size_t kUsed = kIndexEntryOf10;

    bool is_there_;
    bool counts_more_;
    std::ifstream in_;
    std::size_t entry_ = 0;
    std::uint64_t left_ = 0;  // entries that were not taken
};

/// Walks a file's packets. Returns the first one's header.
/// @param is_cut  the file ended in half a packet
PacketHeader walk(MappedFile& file, const TraceLayout& trace, bool is_cut, const std::function<void()>& on_progress) {
    Index index{index_of(file.path()), is_cut};
    PacketHeader first{};
    std::uint64_t last_end = 0;
    std::size_t packet = 0;
    for (std::uint64_t at = 0; at < file.size(); ++packet) {
        on_progress();
        const auto refuse = [&](const std::string& why) {
            throw NotPlain{file.path() + ": packet " + std::to_string(packet) + " at byte " + std::to_string(at) +
                           ": " + why};
        };
        PacketHeader header{};
        try {
            header = PacketHeader::read(file.bytes(at, std::min<std::uint64_t>(PacketHeader::kBytes, file.size() - at)),
                                        trace);
            trace.clock.ns(header.end);  // what lies after 2262 is found before anything is given
        } catch (const NotPlain& not_plain) {
            refuse(not_plain.why);
        }
        if (packet == 0) first = header;
        if (header.packet_bytes > file.size() - at) refuse("it is cut");
        if (header.stream_id != first.stream_id || header.instance_id != first.instance_id)
            refuse("it is of another stream");
        if (header.begin < last_end) refuse("it begins before the one before it ends");
        if (!index.agrees(at, header)) refuse("the index tells another story of it");
        last_end = header.end;
        at += header.packet_bytes;
    }
    if (!index.is_at_its_end()) throw NotPlain{file.path() + ": its index has other packets"};
    file.unmap();
    return first;
}

}  // namespace

PacketHeader PacketHeader::read(Bytes bytes, const TraceLayout& trace) {
    if (bytes.size() < kBytes) throw NotPlain{"its header is cut"};
    const RawPacket raw = RawPacket::at(bytes.data());
    if (raw.magic != kStreamMagic) throw NotPlain{"it has not the magic number"};
    if (!std::ranges::equal(trace.uuid, raw.uuid)) throw NotPlain{"it is of another trace"};
    PacketHeader made{};
    made.stream_id = raw.stream_id;
    made.instance_id = raw.instance_id;
    made.begin = raw.begin;
    made.end = raw.end;
    made.number = raw.number;
    made.discarded = raw.discarded;
    const std::uint64_t content_bits = raw.content_bits;
    const std::uint64_t packet_bits = raw.packet_bits;
    if (content_bits % 8 != 0 || packet_bits % 8 != 0 || content_bits > packet_bits || content_bits < kBytes * 8)
        throw NotPlain{"its sizes are wrong"};
    if (made.end < made.begin) throw NotPlain{"it ends before it begins"};
    if (raw.stands_for_none()) throw NotPlain{"it has a number that stands for none"};
    made.content_bytes = content_bits / 8;
    made.packet_bytes = packet_bits / 8;
    return made;
}

MappedFile::MappedFile(std::string path)
    : path_{std::move(path)}, fd_{::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)} {
    struct stat status {};
    if (fd_ < 0 || ::fstat(fd_, &status) != 0) {
        const int cause = errno;
        if (fd_ >= 0) ::close(fd_);
        throw NotPlain{path_ + " cannot be opened: " + std::strerror(cause)};
    }
    size_ = static_cast<std::uint64_t>(status.st_size);
}

MappedFile::~MappedFile() {
    unmap();
    if (fd_ >= 0) ::close(fd_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_{std::move(other.path_)},
      fd_{std::exchange(other.fd_, -1)},
      size_{other.size_},
      map_{std::exchange(other.map_, nullptr)},
      map_at_{other.map_at_},
      map_size_{other.map_size_} {}

void MappedFile::unmap() {
    if (map_ != nullptr) ::munmap(map_, map_size_);
    map_ = nullptr;
}

Bytes MappedFile::bytes(std::uint64_t at, std::uint64_t size) {
    if (at > size_ || size > size_ - at) throw NotPlain{path_ + " is cut"};
    if (map_ == nullptr || at < map_at_ || at + size > map_at_ + map_size_) {
        unmap();
        static const auto kPage = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        map_at_ = at - at % kPage;
        map_size_ = std::min(std::max(at + size - map_at_, kMappedAtLeast), size_ - map_at_);
        void* const made = ::mmap(nullptr, map_size_, PROT_READ, MAP_PRIVATE, fd_, static_cast<off_t>(map_at_));
        if (made == MAP_FAILED) throw NotPlain{path_ + " cannot be mapped: " + std::strerror(errno)};
        map_ = static_cast<unsigned char*>(made);
    }
    return {map_ + (at - map_at_), static_cast<std::size_t>(size)};
}

std::vector<StreamFiles> find_streams(const std::string& directory, const TraceLayout& trace,
                                      const std::vector<StreamEnd>& cut, const std::function<void()>& on_progress) {
    struct Found {
        MappedFile file;
        PacketHeader first;
    };
    std::vector<Found> found;
    for (const fs::directory_entry& entry : fs::directory_iterator{directory}) {
        const std::string name = entry.path().filename().string();
        if (name == "metadata" || name.starts_with(".") || !entry.is_regular_file()) continue;
        MappedFile file{entry.path().string()};
        const auto end = std::ranges::find(cut, file.path(), &StreamEnd::file);
        if (end != cut.end()) file.end_at(end->bytes);
        if (file.size() == 0) continue;
        const PacketHeader first = walk(file, trace, end != cut.end(), on_progress);
        if (std::ranges::find(trace.streams, first.stream_id, &StreamLayout::id) == trace.streams.end())
            throw NotPlain{file.path() + " is of a stream that the metadata does not declare"};
        found.push_back({std::move(file), first});
    }
    std::vector<std::size_t> order(found.size());
    for (std::size_t i = 0; i < order.size(); ++i)
        order[i] = i;
    const auto key = [&](std::size_t i) {
        const PacketHeader& first = found[i].first;
        return std::tuple{first.stream_id, first.instance_id, first.begin};
    };
    std::ranges::sort(order, {}, key);
    std::vector<StreamFiles> streams;
    for (std::size_t i = 0; i < order.size(); ++i) {
        Found& next = found[order[i]];
        if (i != 0 && key(order[i]) == key(order[i - 1]))
            throw NotPlain{next.file.path() + " and another file begin at one time"};
        if (streams.empty() || streams.back().stream_id != next.first.stream_id ||
            streams.back().instance_id != next.first.instance_id)
            streams.push_back({next.first.stream_id, next.first.instance_id, {}});
        streams.back().files.push_back(std::move(next.file));
    }
    return streams;
}

}  // namespace tiffany::ctf
