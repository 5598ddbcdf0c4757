#pragma once
/// Where the whole packets of a stream file end.
///
/// A consumer daemon that is killed while it writes, or finds the disk full, leaves half a packet at the end of a file,
/// and after a full disk an index that counts it; so does a copy that was broken off. Nobody can read the half, and
/// what lies before it is whole.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

namespace tiffany::ctf {

struct StreamEnd {
    std::string file;
    std::uint64_t bytes = 0;        ///< of its whole packets
    std::size_t packets = 0;        ///< so many
    std::uint64_t index_bytes = 0;  ///< of the index beside it, what tells of them; 0 = none that does is there
    bool is_cut = false;            ///< half a packet follows, or the index counts one more

    /// For a person. Of one that is cut.
    std::string sentence() const;
};

/// Walks the packets of the stream file `file`, which LTTng laid out, in this machine's byte order, and its index.
/// @param on_progress  called at each packet, at each MiB of what follows the last whole one, and at each entry of the
///                     index
/// Cost: a read of each packet's header, and of what follows the last whole packet (64 MiB of it at the most).
/// Errors: the file and the cause, as check_files has them: it cannot be read (system), or something else than its end
/// is wrong (content), as a packet that would be longer than the file and that others follow.
StreamEnd find_stream_end(const std::string& file, const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
