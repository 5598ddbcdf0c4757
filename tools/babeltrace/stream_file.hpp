#pragma once
/// The bytes of a stream file, mapped a piece at a time, and the headers of its packets.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "event_layout.hpp"
#include "packet_layout.hpp"
#include "stream_end.hpp"

namespace tiffany::ctf {

/// What the header and the context of a packet say, where that is something that LTTng would say.
struct PacketHeader {
    static constexpr std::size_t kBytes = sizeof(RawPacket);

    std::uint32_t stream_id;
    std::uint64_t instance_id;
    std::uint64_t begin;  ///< cycles of the clock
    std::uint64_t end;
    std::uint64_t content_bytes;  ///< with this header
    std::uint64_t packet_bytes;   ///< likewise; with what is left empty
    std::uint64_t number;
    std::uint64_t discarded;  ///< events, up to its end

    /// Errors: NotPlain if the bytes are cut, of another trace, or say what LTTng would not.
    static PacketHeader read(Bytes bytes, const TraceLayout& trace);
};

/// A file, mapped a piece at a time: at most the greatest piece asked for, and kMappedAtLeast. What shrinks while it is
/// read ends the process, as with babeltrace2.
class MappedFile {
  public:
    /// Errors: NotPlain.
    explicit MappedFile(std::string path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile(const MappedFile&) = delete;
    MappedFile& operator=(const MappedFile&) = delete;
    MappedFile& operator=(MappedFile&&) = delete;

    const std::string& path() const { return path_; }
    std::uint64_t size() const { return size_; }
    /// What lies behind is not there any more.
    void end_at(std::uint64_t size) { size_ = size; }
    /// Valid until the next call. Errors: NotPlain if the file does not have them.
    Bytes bytes(std::uint64_t at, std::uint64_t size);
    void unmap();

  private:
    static constexpr std::uint64_t kMappedAtLeast = 1U << 20U;

    std::string path_;
    int fd_ = -1;
    std::uint64_t size_ = 0;
    unsigned char* map_ = nullptr;
    std::uint64_t map_at_ = 0;
    std::uint64_t map_size_ = 0;
};

/// One data stream: its files, which follow one another (LTTng can divide it), and what their packets say.
struct StreamFiles {
    std::uint32_t stream_id = 0;
    std::uint64_t instance_id = 0;
    std::vector<MappedFile> files;
};

/// Finds the streams of a trace, in the order in which babeltrace2 merges events of one time, and walks their packets;
/// an index beside them must agree. Cost: a look at each packet's header.
/// @param cut  streams of which only the whole packets are to be taken, as check_files has found
/// @param on_progress  called at each packet
/// Errors: NotPlain.
std::vector<StreamFiles> find_streams(const std::string& directory, const TraceLayout& trace,
                                      const std::vector<StreamEnd>& cut, const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
