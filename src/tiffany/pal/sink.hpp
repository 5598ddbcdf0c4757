#pragma once
/// What a program installs to get its own events as values, without a trace and without a file: docs/sink.md.
///
///     struct CountDone : tiffany::pal::Sink {
///         std::atomic<std::uint64_t> done{0};
///         void record(const tiffany::pal::Record& record) override {
///             if (record.info->name == "Done") ++done;
///         }
///         void gap(const tiffany::pal::Gap&) override {}
///     };

#include <tiffany/pal/record.hpp>

namespace tiffany::pal {

/// Gets the events of one process while it runs. All calls come from one thread, the writer's, one after the other;
/// never from a thread that runs tasks.
///
/// Order: a worker's events come in the order in which they fired, its transitions with rising `seq`; a `Gap` comes
/// where the transitions that it tells are missing. Not promised: order between workers (compare `ts_ns`).
/// Errors: what a call throws is counted (`SinkStats::refused`) and dropped; the next event comes nevertheless.
/// A slow call costs later events, which become gaps, never the program's time.
class Sink {
  public:
    virtual ~Sink() = default;
    /// `record` is borrowed for the call: copy what you keep. `info` is never null.
    virtual void record(const Record& record) = 0;
    /// Transitions that did not fit into the worker's ring: from_seq to to_seq, both missing, `lost` of them.
    virtual void gap(const Gap& gap) = 0;
    /// All that had fired when the writer came by has been told: a place to flush. Default: nothing.
    virtual void caught_up() {}
};

}  // namespace tiffany::pal
