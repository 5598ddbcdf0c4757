#pragma once
/// A decode plan for plain CTF streams: what is to be read, skipped and kept of each event, compiled from the metadata.

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "event_plan.hpp"
#include "trace_facts.hpp"
#include "tsdl.hpp"

namespace tiffany::ctf {

/// One step through the bytes of an event.
struct LayoutStep {
    enum class Kind : std::uint8_t {
        number8,  ///< a number of so many bits, into `slot`
        number16,
        number32,
        number64,   ///< numbers of 64 bits, of `size` bytes in all, into `slot` and those after it
        text,       ///< into text `slot`
        skip,       ///< `size` bytes
        skip_text,  ///<
        align,      ///< to a multiple of `size` + 1 bytes in the packet
        length,     ///< a number of `size` bytes, kept as the length that `repeat` needs; not passed
        repeat,     ///< as many elements of `size` bytes as the length says
    };
    Kind kind;
    std::uint8_t slot = 0;
    std::uint32_t size = 0;

    friend bool operator==(const LayoutStep&, const LayoutStep&) = default;
};

using Layout = std::vector<LayoutStep>;

/// Where a LayoutStep's numbers go: the identities, then the event's own.
/// In the order in which events have them: what lies side by side is copied at once.
enum NumberSlot : std::uint8_t { kWorkerSlot, kTidSlot, kSeqSlot, kStepSlot, kPidSlot, kOwnSlot };

/// Adds a step that takes a number of so many bytes, or widens the one before.
void add_number(Layout& steps, std::uint8_t slot, unsigned bytes);
/// Adds a step that takes a text.
void add_text(Layout& steps, std::uint8_t slot);

using Bytes = std::span<const unsigned char>;

/// Takes what an event says, out of bytes that begin behind its header, into a record: what `info` and `unknown` are,
/// its time, host and, if it does not tell it, pid are somebody else's. Returns where it ends.
/// Errors: NotPlain if it does not end within the bytes.
using DecodeFields = const unsigned char* (*)(Bytes bytes, pal::Record& record);

[[noreturn]] void refuse_cut();
/// Of the text that begins there. Errors: NotPlain if it has no end.
std::size_t text_size(Bytes bytes);

struct EventLayout {
    EventPlan plan;
    Layout steps;                    ///< the event's context and payload
    DecodeFields in_code = nullptr;  ///< does the same, if it is the catalogue's
};

enum class HeaderKind : std::uint8_t {
    flat,     ///< u32 id, u64 time
    large,    ///< u16 id, u32 time; or u16 65535, u32 id, u64 time
    compact,  ///< 5 bits id, 27 bits time; or 5 bits 31, u32 id, u64 time
};

/// Cycles of the trace's clock as ns since 1970, computed as babeltrace2 does it.
class ClockTime {
  public:
    ClockTime() = default;
    /// Errors: NotPlain.
    explicit ClockTime(const tsdl::Clock& clock);

    /// Errors: NotPlain for a time after 2262.
    std::uint64_t ns(std::uint64_t cycles) const {
        if (frequency_ != kNs) cycles = scaled(cycles);
        if (cycles > room_) refuse();
        return base_ns_ + cycles;
    }

  private:
    static constexpr std::uint64_t kNs = 1'000'000'000;
    std::uint64_t scaled(std::uint64_t cycles) const;
    [[noreturn]] static void refuse();

    std::uint64_t frequency_ = kNs;
    std::uint64_t base_ns_ = 0;
    std::uint64_t room_ = 0;
};

struct StreamLayout {
    std::uint64_t id = 0;
    HeaderKind header = HeaderKind::flat;
    Layout context;                                    ///< of every event
    std::vector<std::unique_ptr<EventLayout>> events;  ///< by their numbers; null: there is none
    ChannelFacts channel;
};

struct TraceLayout {
    std::array<std::uint8_t, 16> uuid{};
    ClockTime clock;
    std::vector<StreamLayout> streams;
    TraceFacts facts;
    std::uint32_t pid = 0;  ///< as LTTng says; of a trace for each process only

    void add_unknown(Counts& events, Counts& fields) const;
    std::uint64_t ticks_left_out() const;
};

/// The layout of a trace whose packets are as lttng-ust 2.11 or later writes them.
/// Errors: NotPlain.
TraceLayout lay_out(const tsdl::Metadata& metadata, bool ticks);

}  // namespace tiffany::ctf
