#pragma once
/// What a decoding child sends its parent through a pipe: frames of [u32 size][u8 kind][payload], in this machine's
/// byte order, as both ends are the same program.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <tiffany/pal/error.hpp>
#include <tiffany/pal/loss.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

#include "event_plan.hpp"
#include "read_summary.hpp"
#include "record_batch.hpp"
#include "said_once.hpp"
#include "trace_facts.hpp"

namespace tiffany::ctf {

/// Takes everything but records.
class FrameHandler {
  public:
    virtual ~FrameHandler() = default;
    virtual void facts(const TraceFacts& facts) = 0;
    virtual void begin(const pal::Begin& begin) = 0;
    virtual void discarded(const pal::Discarded& discarded) = 0;
    virtual void gap(const pal::Gap& gap) = 0;
    virtual void end(const pal::End& end) = 0;
    virtual void unknown(const Counts& events, const Counts& fields) = 0;
    virtual void left_out(std::uint64_t ticks) = 0;   ///< events of ticks, when nobody asked for them
    virtual void lacks(const std::string& what) = 0;  ///< a process did not get all of its buffers
    virtual void cut(const std::string& what) = 0;    ///< of a stream of the trace only the first part is there
};

/// Takes what one kind of child tells him who started it. Where that is not awaited it is a broken message.
class ChildHandler {
  public:
    virtual ~ChildHandler() = default;
    // of a digest
    virtual void block(std::uint32_t bytes);  ///< the next of its SharedBlocks is full
    virtual void digested(const ReadSummary& seen, std::uint64_t findings);
    virtual void left();  ///< the trace is not plain, or cannot be read: others find it, and tell it
    // of a trace
    virtual void metadata(std::string_view uuid, std::string_view text);
    /// A stream is cut: more of the index with which babeltrace2 sees its whole packets, as write_whole_index makes it.
    virtual void index(std::string_view stream, std::string_view bytes);
    /// babeltrace2 has to read it, by these indexes; `said` was told by then of what it tells.
    virtual void bounds(const Said& said);
};

/// Of a child that has nothing of its input to tell but what its ChildHandler takes.
class NothingRead : public FrameHandler {
  public:
    void facts(const TraceFacts& facts) override;
    void begin(const pal::Begin& begin) override;
    void discarded(const pal::Discarded& discarded) override;
    void gap(const pal::Gap& gap) override;
    void end(const pal::End& end) override;
    void unknown(const Counts& events, const Counts& fields) override;
    void left_out(std::uint64_t ticks) override;
    void lacks(const std::string& what) override;
    void cut(const std::string& what) override;
};

/// A source of records: brings what comes next into `batch`, which is empty, one record at least; what comes before
/// them goes to `handler`. False at the end. Errors: throws Error; it is not to be asked again then.
using NextRecords = std::function<bool(RecordBatch& batch, FrameHandler& handler)>;

/// The writing end: takes what a trace or a log holds. Buffers; sends when 32 KiB have come together, at `finished`,
/// and an empty frame now and then from `alive`, so that the parent can tell work from a hang.
/// Errors: throws PipeClosed when nobody reads any more.
class FrameWriter : public TraceSink, public pal::EntrySink, public FrameHandler {
  public:
    struct PipeClosed {};

    explicit FrameWriter(int fd) : fd_{fd} {}

    void facts(const TraceFacts& facts) override;
    void record(const pal::Record& record) override;
    void discarded(const pal::Discarded& discarded) override;

    void begin(const pal::Begin& begin) override;
    void gap(const pal::Gap& gap) override;
    void end(const pal::End& end) override;

    void unknown(const Counts& events, const Counts& fields) override;
    void left_out(std::uint64_t ticks) override;
    void lacks(const std::string& what) override;
    void cut(const std::string& what) override;

    // what a ChildHandler takes
    void block(std::uint32_t bytes);
    void digested(const ReadSummary& seen, std::uint64_t findings);
    void left();
    void metadata(std::string_view uuid, std::string_view text);
    void index(std::string_view stream, std::string_view bytes);
    void bounds(const Said& said);

    void alive();
    void failed(const Error& error);
    void finished();

    /// What is told from here on may be told once more, by another reader, from here on: `again`. Then what was sent
    /// already is left out, and held against what comes now.
    void may_come_again();
    /// To be called once at most, this or take_up.
    /// Errors: later, from any function: Error (system) if the two readers do not agree.
    void again();
    /// Another process goes on with that. Returns what was told of it; what was not sent by now never is.
    Said leave_off();
    /// As may_come_again and again, where another process has told the first part of it.
    void take_up(const Said& said);

  private:
    void open(std::uint8_t kind);
    void close();
    void send();
    void write_all(std::string_view left);
    char* room(std::size_t bytes) {
        if (buffer_.size() - used_ < bytes) buffer_.resize(used_ + bytes + kGrowBy);
        return buffer_.data() + used_;
    }
    template <typename Number>
    void put(Number value);
    void put(std::string_view text);
    void put(const std::vector<std::string>& texts);
    void put(const Counts& counts);

    static constexpr std::size_t kGrowBy = 64 * 1024;

    int fd_;
    std::vector<char> buffer_;
    std::size_t used_ = 0;  // of buffer_
    std::size_t open_at_ = 0;
    SaidOnce said_;
    bool may_repeat_ = false;  // what is sent may come, or comes, once more
    std::uint64_t sent_at_ms_ = 0;
};

enum class FrameResult { record, handled, finished };

inline constexpr std::size_t kMaxFrame = std::size_t{64} << 20;  ///< bytes; no decoder has so much to say at once

/// Takes one frame (kind and payload) apart: a record goes into `record`, anything else to one of the handlers. The
/// bytes may be any: a decoder that was taken over by what it decodes sends what it likes.
/// Errors: throws the Error that the child sent, or one (system) that says that this is no frame.
FrameResult take_frame(std::string_view frame, pal::Record& record, FrameHandler& handler, ChildHandler& starter);

}  // namespace tiffany::ctf
