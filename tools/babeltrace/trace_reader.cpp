#include "trace_reader.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <tiffany/pal/reader.hpp>
#include <vector>

#include "bounded_trace.hpp"
#include "child_source.hpp"
#include "confine.hpp"
#include "find_inputs.hpp"
#include "merge_inputs.hpp"
#include "named_descriptor.hpp"

namespace tiffany::ctf {
namespace {

/// A trace, read by a process of its own; by a second one where babeltrace2 needs a BoundedTrace, for which the first
/// sends the indexes. Nothing of the trace is looked at here.
class TraceSource : public ChildHandler {
  public:
    TraceSource(const InputPart& found, const ReadOptions& options)
        : files_{found.stand_in ? found.stand_in->directory : found.name, found.name, {}},
          options_{options.of_traces},
          patience_{options.patience} {
        start([files = files_, options = options_](FrameWriter& writer) { read_trace(files, options, writer); });
    }

    bool next(RecordBatch& batch, FrameHandler& handler) {
        while (!child_->next(batch.place(), handler, *this)) {
            if (!said_ || goes_on_) return false;
            go_on();
        }
        batch.add();
        return true;
    }

    void index(std::string_view stream, std::string_view bytes) override {
        if (goes_on_) return ChildHandler::index(stream, bytes);
        make_bounded([&] { bounded_->add(stream, bytes); });
    }
    void bounds(const Said& said) override {
        if (goes_on_) return ChildHandler::bounds(said);
        said_ = said;
    }

  private:
    template <typename Work>
    void start(const Work& work) {
        child_.emplace(files_.name, work, patience_);
    }

    /// Where it cannot be made babeltrace2 does without, and tells of the stream that is cut.
    template <typename Work>
    void make_bounded(const Work& work) {
        if (cannot_bound_) return;
        try {
            if (!bounded_) bounded_.emplace(files_.directory);
            work();
        } catch (const Error&) {
            cannot_bound_ = true;
            bounded_.reset();
        }
    }

    void go_on() {
        goes_on_ = true;
        make_bounded([&] { bounded_->link_all(); });
        if (bounded_) files_.bounded = bounded_->directory();
        start([files = files_, options = options_, said = *said_](FrameWriter& writer) {
            go_on_with_babeltrace2(files, options, said, writer);
        });
    }

    TraceFiles files_;
    TraceOptions options_;
    std::chrono::milliseconds patience_;
    std::optional<BoundedTrace> bounded_;
    bool cannot_bound_ = false;
    std::optional<Said> said_;
    bool goes_on_ = false;  // with babeltrace2
    std::optional<ChildSource> child_;
};

NextRecords open_log(const std::string& name) {
    const auto work = [name](FrameWriter& writer) {
        confine({name});
        const pal::LogSummary log = pal::read_log(name, writer);
        writer.unknown(log.unknown_events, {});
    };
    const auto child = std::make_shared<ChildSource>(name, work, std::chrono::seconds{0}, descriptor_named(name));
    return [child](RecordBatch& batch, FrameHandler& handler) {
        if (!child->next(batch.place(), handler)) return false;
        batch.add();
        return true;
    };
}

NextRecords open_trace(const InputPart& found, const ReadOptions& options) {
    const auto source = std::make_shared<TraceSource>(found, options);
    return [source](RecordBatch& batch, FrameHandler& handler) { return source->next(batch, handler); };
}

}  // namespace

ReadSummary read_found(const FoundInputs& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    const auto open = [&options](const InputPart& found, RecordPool&) {
        return found.is_trace ? open_trace(found, options) : open_log(found.name);
    };
    return merge_inputs(inputs, options, open, sink);
}

ReadSummary read_inputs(const std::vector<std::string>& inputs, const ReadOptions& options, pal::EntrySink& sink) {
    return read_found(find_inputs(inputs, options.patience), options, sink);
}

}  // namespace tiffany::ctf
