#pragma once
/// Reads a plain CTF 1.8 trace without babeltrace2: as lttng-ust 2.11 or later writes it, and whole,
/// but for half a packet at the end of a stream, which it leaves out.
///
///     NativeReader reader{directory, check_files(directory, [] {}), ticks, pool, [] {}};
///     RecordBatch batch{pool};
///     for (; reader.next(batch, handler); batch.clear()) ... batch.records() ...
///
/// What it gives is what babeltrace2 and Decoder give, in the same order. It errs on the side of caution: whatever is
/// odd or damaged is NotPlain, and by then at most the first part of what babeltrace2 gives has been given.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "event_layout.hpp"
#include "event_plan.hpp"
#include "frames.hpp"
#include "metadata_check.hpp"
#include "record_batch.hpp"
#include "record_pool.hpp"
#include "stream_reader.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {

/// Memory: a piece of each stream is mapped; it does not grow with events. Not shared between threads.
class NativeReader {
  public:
    /// @param checked      what check_files found in `directory`
    /// @param ticks        take the scheduler's ticks too
    /// @param pool         where its records come from, which nobody else fills; it outlives this
    /// @param on_progress  called at each packet, here and when it is read
    /// Errors: NotPlain.
    NativeReader(const std::string& directory, const CheckedFiles& checked, bool ticks, RecordPool& pool,
                 const std::function<void()>& on_progress);
    ~NativeReader();
    NativeReader(const NativeReader&) = delete;
    NativeReader& operator=(const NativeReader&) = delete;

    /// The next records, into `batch`, which is empty; what comes before them goes to `handler`. False at the end,
    /// which it tells last. Errors: NotPlain; it is not to be asked again then.
    bool next(RecordBatch& batch, FrameHandler& handler);

  private:
    using Item = StreamReader::Item;
    struct Head {
        std::uint64_t ns;
        std::size_t rank;
    };
    static constexpr std::uint64_t kForEver = ~std::uint64_t{0};

    static bool is_earlier(const Head& a, const Head& b);
    void begin(FrameHandler& handler);
    void become_present(const Head& head);
    void sink(const Head& head);
    void drop_first();
    bool choose();
    void finish(FrameHandler& handler) const;

    TraceLayout trace_;
    ProcessIds pids_;
    std::vector<std::unique_ptr<StreamReader>> streams_;
    std::vector<Head> others_;  // a heap of the streams that have an item, the earliest first; not the present one
    StreamReader* present_ = nullptr;  // the one that stands at what is given next
    std::size_t rank_ = 0;             // its place among the streams
    std::uint64_t until_ns_ = 0;       // before which its items precede those of all others
    bool begun_ = false;
    std::optional<NotPlain> not_plain_;  // to be thrown when what was read by then is given
};

}  // namespace tiffany::ctf
