#include "trace_reader.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <memory>
#include <string_view>
#include <system_error>
#include <tiffany/pal/reader.hpp>

#include "child_source.hpp"
#include "confine.hpp"
#include "find_inputs.hpp"
#include "merge_inputs.hpp"

namespace tiffany::ctf {
namespace {

/// The descriptor of ours that a path names, or -1.
int descriptor_named(std::string_view path) {
    if (path == "-" || path == "/dev/stdin") return STDIN_FILENO;
    for (const std::string_view of : {"/dev/fd/", "/proc/self/fd/"}) {
        if (!path.starts_with(of)) continue;
        int fd = -1;
        const std::string_view number = path.substr(of.size());
        const auto end = std::from_chars(number.data(), number.data() + number.size(), fd);
        return end.ec == std::errc{} && end.ptr == number.data() + number.size() && ::fcntl(fd, F_GETFD) >= 0 ? fd : -1;
    }
    return -1;
}

void read(const InputPart& found, const TraceOptions& options, FrameWriter& writer) {
    if (found.stand_in) return read_trace_through(found.stand_in->directory, found.name, options, writer);
    if (found.is_trace) return read_trace(found.name, options, writer);
    confine({found.name});
    const pal::LogSummary log = pal::read_log(found.name, writer);
    writer.unknown(log.unknown_events, {});
}

}  // namespace

ReadSummary read_found(const FoundInputs& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    const auto open = [&options](const InputPart& found, RecordPool&) -> NextRecord {
        const auto work = [found, options = options.of_traces](FrameWriter& writer) { read(found, options, writer); };
        const std::chrono::seconds patience = found.is_trace ? options.patience : std::chrono::seconds{0};
        const auto child = std::make_shared<ChildSource>(found.name, work, patience,
                                                         found.is_trace ? -1 : descriptor_named(found.name));
        return [child](pal::Record*& record, FrameHandler& handler) { return child->next(*record, handler); };
    };
    return merge_inputs(inputs, options, open, sink);
}

ReadSummary read_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    return read_found(find_inputs(inputs), options, sink);
}

}  // namespace tiffany::ctf
