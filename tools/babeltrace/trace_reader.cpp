#include "trace_reader.hpp"

#include <exception>
#include <memory>
#include <tiffany/pal/reader.hpp>
#include <vector>

#include "bounded_trace.hpp"
#include "child_source.hpp"
#include "confine.hpp"
#include "find_inputs.hpp"
#include "merge_inputs.hpp"
#include "metadata_check.hpp"
#include "named_descriptor.hpp"

namespace tiffany::ctf {
namespace {

/// Nothing if it is whole, or otherwise bad, which its reader tells; or if it cannot be made: the native reader needs
/// none, and babeltrace2 then tells of the stream that is cut.
std::shared_ptr<BoundedTrace> bounded(const std::string& directory) {
    try {
        const std::vector<StreamEnd> cut = check_files(directory).cut;
        return cut.empty() ? nullptr : std::make_shared<BoundedTrace>(directory, cut);
    } catch (const std::exception&) {
        return nullptr;
    }
}

bool take(ChildSource& child, RecordBatch& batch, FrameHandler& handler) {
    if (!child.next(batch.place(), handler)) return false;
    batch.add();
    return true;
}

NextRecords open_log(const std::string& name) {
    const auto work = [name](FrameWriter& writer) {
        confine({name});
        const pal::LogSummary log = pal::read_log(name, writer);
        writer.unknown(log.unknown_events, {});
    };
    const auto child = std::make_shared<ChildSource>(name, work, std::chrono::seconds{0}, descriptor_named(name));
    return [child](RecordBatch& batch, FrameHandler& handler) { return take(*child, batch, handler); };
}

NextRecords open_trace(const InputPart& found, const ReadOptions& options) {
    TraceFiles files{found.stand_in ? found.stand_in->directory : found.name, found.name, {}};
    const auto stand_in = options.of_traces.reader == Reader::native ? nullptr : bounded(files.directory);
    if (stand_in != nullptr) files.bounded = stand_in->directory();
    const auto work = [files, options = options.of_traces](FrameWriter& writer) { read_trace(files, options, writer); };
    const auto child = std::make_shared<ChildSource>(found.name, work, options.patience);
    return [child, stand_in](RecordBatch& batch, FrameHandler& handler) { return take(*child, batch, handler); };
}

}  // namespace

ReadSummary read_found(const FoundInputs& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    const auto open = [&options](const InputPart& found, RecordPool&) {
        return found.is_trace ? open_trace(found, options) : open_log(found.name);
    };
    return merge_inputs(inputs, options, open, sink);
}

ReadSummary read_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    return read_found(find_inputs(inputs), options, sink);
}

}  // namespace tiffany::ctf
