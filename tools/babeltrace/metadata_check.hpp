#pragma once
/// Looks at a trace's files before babeltrace2 does: 2.0.4 loops for ever on packetized metadata that is cut.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "stream_end.hpp"

namespace tiffany::ctf {

/// The bytes of `directory/metadata`. Errors: it cannot be read (system); it is no regular file, which might never end,
/// or has more bytes than that (content).
/// @param on_progress  called at each 64 KiB
std::string read_metadata(const std::string& directory, const std::function<void()>& on_progress,
                          std::size_t most_bytes = std::size_t{256} << 20);

/// The metadata's text, out of its packets or as it is.
/// Errors (content): a packet is cut or its sizes are wrong, or it is neither packets nor CTF text.
std::string metadata_text(std::string_view bytes);

/// LTTng (2.13) writes the program's name, which is anything of 15 bytes, between quotes as it is. One with a quote, a
/// backslash or a line's end is no text of TSDL: each byte of it that is not plain becomes `?`. Returns whether there
/// is one. Nobody but a reader of env looks at that name.
bool mend_program_name(std::string& text);

struct CheckedFiles {
    std::string metadata;        ///< its text, with a name in it that can be read
    bool odd_name = false;       ///< of the program: the file's text has one that LTTng should have escaped
    std::vector<StreamEnd> cut;  ///< the streams of which the last packet is half there, by name
};

/// Reads and checks `directory/metadata`, then walks the packets of each stream file beside it, if they are laid out
/// as LTTng does it, and its index. Cost: a read of each packet's header.
/// @param on_progress  called at each of them, and at each piece of what else is read
/// Errors: the file and the cause; ErrorKind::system if it cannot be read, ErrorKind::content if it is cut or wrong.
CheckedFiles check_files(const std::string& directory, const std::function<void()>& on_progress);

}  // namespace tiffany::ctf
