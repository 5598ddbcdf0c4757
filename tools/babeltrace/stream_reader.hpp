#pragma once
/// Reads one plain CTF stream: its packets, their events as records, and what was discarded between them.

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <tiffany/pal/loss.hpp>
#include <tiffany/pal/record.hpp>

#include "event_layout.hpp"
#include "event_plan.hpp"
#include "record_batch.hpp"
#include "stream_file.hpp"

namespace tiffany::ctf {

/// Decodes events out of bytes that need not be events. Not shared between threads.
class EventDecoder {
  public:
    explicit EventDecoder(const StreamLayout& stream) : stream_{stream} {}

    /// A packet begins; the clock stands at `cycles`.
    void begin(Bytes content, std::uint64_t at, std::uint64_t cycles);
    bool at_end() const { return at_ == end_; }
    std::uint64_t cycles() const { return cycles_; }

    /// Decodes the next event into `record`, all but its time and host. Counts it in its plan.
    /// @return whether it makes a record
    /// Errors: NotPlain for bytes that are no event of this stream.
    bool next(pal::Record& record);

    /// What it left as the record's pid is that of the whole instance, if it is not 0.
    bool tells_pid() const { return event_->plan.tells_pid; }

  private:
    friend class StreamReader;

    bool decode(pal::Record& record);
    std::uint64_t event_header();
    std::uint64_t long_header();
    void set_time(std::uint64_t low, unsigned bits);
    void follow(const Layout& steps, pal::Record* record);
    bool follow_steps(const EventLayout& event, pal::Record& record);
    std::uint64_t* numbers(std::uint8_t slot, pal::Record* record);
    void need(std::uint64_t bytes) const {
        if (static_cast<std::uint64_t>(end_ - at_) < bytes) refuse_cut();
    }
    [[noreturn]] static void refuse_number(std::uint64_t id);
    template <typename Number>
    Number take();
    template <typename Number>
    Number peek(std::size_t behind = 0) const;
    std::size_t text_here() const;

    const StreamLayout& stream_;
    const EventLayout* event_ = nullptr;
    const unsigned char* begin_ = nullptr;  // of the packet
    const unsigned char* at_ = nullptr;
    const unsigned char* end_ = nullptr;
    std::uint64_t cycles_ = 0;
    std::array<std::uint64_t, kOwnSlot> identities_{};
};

class StreamReader {
  public:
    enum class Item : std::uint8_t { event, discarded, end };

    /// @param pids         of the trace; it outlives this
    /// @param record       to be filled first; records that are filled here have no host, or this trace's
    /// @param on_progress  called at each packet
    StreamReader(const TraceLayout& trace, StreamFiles files, ProcessIds& pids, pal::Record& record,
                 std::function<void()> on_progress);

    /// Goes to the next item that matters. Errors: NotPlain.
    Item next();
    Item item() const { return item_; }       ///< what it stands at
    std::uint64_t ns() const { return ns_; }  ///< time of the item
    /// The event that it stands at goes into `batch`, and so do those that follow, while there is room for them and
    /// they are of before `until_ns`; then it stands at what comes next.
    /// Errors: NotPlain; what is in the batch is good.
    void take(RecordBatch& batch, std::uint64_t until_ns);
    const pal::Discarded& discarded() const { return discarded_; }

  private:
    Item go_on(pal::Record& record);
    std::optional<Item> between_events();
    [[noreturn]] static void refuse_late();
    [[noreturn]] void throw_with_place(const NotPlain& not_plain) const;
    bool next_packet();
    void tell_discarded(const PacketHeader& header);

    const TraceLayout& trace_;
    const StreamLayout& stream_;
    StreamFiles files_;
    ProcessIds& pids_;
    std::function<void()> on_progress_;
    std::size_t file_ = 0;
    std::uint64_t next_at_ = 0;  // of the next packet in the file
    bool any_packet_ = false;
    PacketHeader packet_{};
    Bytes content_;  // of a packet whose events are not begun yet
    std::uint64_t packet_end_ns_ = 0;
    EventDecoder event_;
    pal::Record* record_;
    Item item_ = Item::end;
    pal::Discarded discarded_;
    std::deque<pal::Discarded> pending_;  // what is told before them
    std::uint64_t ns_ = 0;
};

}  // namespace tiffany::ctf
