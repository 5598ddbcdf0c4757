#include "read_trace.hpp"

#include <optional>

#include "confine.hpp"
#include "ctf_graph.hpp"
#include "decoder.hpp"
#include "find_bad_stream.hpp"
#include "metadata_check.hpp"
#include "missing_buffers.hpp"
#include "native_reader.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {
namespace {

/// Returns nothing if the trace is not plain, and the user does not insist.
std::optional<Leftovers> read_natively(const std::string& directory, const std::string& metadata,
                                       const TraceOptions& options, FrameWriter& writer) {
    if (options.reader == Reader::babeltrace2) return std::nullopt;
    try {
        return read_plain_trace(directory, metadata, options.ticks, writer, [&writer] { writer.alive(); });
    } catch (const NotPlain& not_plain) {
        if (options.reader == Reader::native)
            throw Error{ErrorKind::content, not_plain.why}.within("cannot decode trace " + directory +
                                                                  " with the native reader");
        writer.again();
        return std::nullopt;
    }
}

Leftovers read_with_babeltrace2(const std::string& directory, bool ticks, FrameWriter& writer) {
    Decoder decoder{writer, ticks};
    try {
        decode_trace(directory, [&](const bt_message* message) {
            decoder.message(message);
            writer.alive();
        });
    } catch (const Error& error) {
        if (error.kind() != ErrorKind::content) throw;
        if (const std::optional<Error> stream = find_bad_stream(directory, [&] { writer.alive(); })) throw *stream;
        if (error.one_line().find(directory) == std::string::npos)
            throw error.within("cannot decode trace " + directory);
        throw;
    }
    Leftovers left;
    decoder.add_unknown(left.unknown_events, left.unknown_fields);
    left.ticks_left_out = decoder.ticks_left_out();
    return left;
}

}  // namespace

void read_trace(const std::string& directory, const TraceOptions& options, FrameWriter& writer) {
    load_plugins();
    confine({directory});
    const std::string metadata = check_files(directory);
    const MissingBuffers missing = missing_buffers(metadata);
    if (!missing.what.empty()) writer.lacks("cannot tell all of " + directory + ": " + missing.what);
    if (missing.all) return;  // stream files that are there all the same are something babeltrace2 stumbles over
    writer.may_come_again();
    std::optional<Leftovers> left = read_natively(directory, metadata, options, writer);
    if (!left) left = read_with_babeltrace2(directory, options.ticks, writer);
    writer.unknown(left->unknown_events, left->unknown_fields);
    if (left->ticks_left_out != 0) writer.left_out(left->ticks_left_out);
}

void read_trace_through(const std::string& stand_in, const std::string& directory, const TraceOptions& options,
                        FrameWriter& writer) {
    try {
        read_trace(stand_in, options, writer);
    } catch (const Error& error) {
        std::string line = error.one_line();
        for (std::size_t at = 0; (at = line.find(stand_in, at)) != std::string::npos; at += directory.size())
            line.replace(at, stand_in.size(), directory);
        throw Error{error.kind(), line};
    }
}

}  // namespace tiffany::ctf
