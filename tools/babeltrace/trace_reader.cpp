#include "trace_reader.hpp"

#include <memory>
#include <system_error>
#include <tiffany/pal/reader.hpp>

#include "child_source.hpp"
#include "confine.hpp"
#include "find_inputs.hpp"
#include "merge_inputs.hpp"
#include "named_descriptor.hpp"

namespace tiffany::ctf {
namespace {

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
