#pragma once
/// One log on its way out: begins with Begin, ends with End, and what it could not take in between becomes a Gap.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <tiffany/pal/writer.hpp>

#include "pal_batch.hpp"
#include "pal_line.hpp"

namespace tiffany::detail {

/// Where a stream's bytes go: a file, or a reader of the socket.
class PalPipe {
  public:
    PalPipe() = default;
    PalPipe(const PalPipe&) = delete;
    PalPipe& operator=(const PalPipe&) = delete;
    virtual ~PalPipe() = default;
    /// Returns how many of the bytes were taken: fewer than all, if it cannot take more now.
    virtual std::size_t write(std::string_view bytes) noexcept = 0;
};

/// Turns a stream's bytes into others before they are kept or written.
class PalCoder {
  public:
    PalCoder() = default;
    PalCoder(const PalCoder&) = delete;
    PalCoder& operator=(const PalCoder&) = delete;
    virtual ~PalCoder() = default;
    /// The most that can come out of so many.
    virtual std::size_t bound(std::size_t bytes) const noexcept = 0;
    /// Returns the bytes written to `out`, where bound() are free.
    virtual std::size_t code(std::string_view bytes, char* out, std::size_t out_bytes) noexcept = 0;
    /// So that all that went in can be read; `last`: nothing more follows. Returns the bytes written.
    virtual std::size_t flush(bool last, char* out, std::size_t out_bytes) noexcept = 0;
};

/// What all of them that belong together share.
struct PalStreamNames {
    std::string tool;
    std::string trace;
    std::string clock;
};

constexpr std::size_t kKeptBytes = std::size_t{4} << 20;  // for a full disk or a slow reader; taken only then

enum class EndOf : std::uint8_t { file, process };

/// Not shared between threads.
class PalStream {
  public:
    /// @param kept_bytes  how much is kept for a pipe that does not take it; what is more is lost
    /// @param coder       null: the bytes go as they are
    /// Errors: std::bad_alloc.
    PalStream(const PalStreamNames& names, PalLines& lines, std::size_t kept_bytes, PalCoder* coder);

    /// Tells Begin, and the workers that are there. What they have done is not missing.
    void begin(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    /// The batch, if there is room for it.
    void take(PalPipe& pipe, const PalBatch& batch, const PalWorkers& workers) noexcept;
    /// The batch was not for this stream.
    void leave_out(const PalBatch& batch) noexcept;
    /// Tries again to write what is kept. With a coder: so that it can be read.
    void flush(PalPipe& pipe) noexcept;
    /// The same without the coder. Returns whether nothing is left.
    bool retry(PalPipe& pipe) noexcept;
    /// Whether a batch was left out of which nothing is told yet.
    bool is_behind() const noexcept { return behind_; }
    /// With no batch on its way: tells the gap, if there is one and room for it.
    void tell_left_out(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns) noexcept;
    /// Tells End, and a gap before it. Returns whether there was room for it; then only retry follows, or begin.
    /// @param of  of the process: no stream goes on, so what workers do that have not stopped is told nowhere
    bool end(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns, EndOf of) noexcept;
    /// A worker is met for the first time.
    void meet(std::uint16_t index, std::uint64_t position) noexcept { told_[index] = position; }

    bool empty() const noexcept { return kept_from_ == kept_to_; }
    std::size_t kept() const noexcept { return kept_to_ - kept_from_; }
    /// Transitions that it had no room for, and those of them that a Gap has told already.
    std::uint64_t left_out() const noexcept { return left_out_; }
    /// Bytes that the pipe took.
    std::uint64_t written() const noexcept { return written_; }
    /// Events that are no transitions, and were left out.
    std::uint64_t others_left_out() const noexcept { return others_left_out_; }

  private:
    bool fits(std::size_t bytes) const noexcept;
    void put(PalPipe& pipe, std::string_view bytes) noexcept;
    void put_raw(PalPipe& pipe, std::string_view bytes) noexcept;
    void write_kept(PalPipe& pipe) noexcept;
    char* room(std::size_t bytes) noexcept;
    bool catch_up(PalPipe& pipe, const PalWorkers& workers, std::uint64_t ts_ns, std::size_t more) noexcept;
    std::uint64_t tell_workers(const PalWorkers& workers, std::uint64_t ts_ns, bool caught_up);
    void make_room_for(std::size_t bytes);

    struct Text : pal::ByteSink {
        void write(std::string_view bytes) override { text.append(bytes); }
        std::string text;
    };

    const PalStreamNames& names_;
    PalLines& lines_;
    std::size_t kept_bytes_;
    PalCoder* coder_;
    ByIndex<std::uint64_t> told_;  // by worker: the last transition that this stream tells
    std::unique_ptr<char[]> kept_;
    std::size_t kept_from_ = 0;
    std::size_t kept_to_ = 0;
    Text text_;  // the lines that are no events
    pal::LogWriter writer_{text_};
    bool begun_ = false;   // Begin was told
    bool behind_ = false;  // a batch was left out since the last one that was taken
    std::uint64_t records_ = 0;
    std::uint64_t lost_ = 0;
    std::uint64_t left_out_ = 0;
    std::uint64_t others_left_out_ = 0;
    std::uint64_t lost_others_before_ = 0;  // this log's first line
    std::uint64_t written_ = 0;
};

}  // namespace tiffany::detail
