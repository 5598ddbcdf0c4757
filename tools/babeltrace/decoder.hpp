#pragma once
/// Turns the messages of libbabeltrace2 into PAL: events into records, discarded events into evidence of loss.
///
/// Fields are found by name, once for each event class. Fields and events of provider `tiffany` that this version does
/// not know are counted; an unknown event is kept, because it may count for `seq`. Other providers are passed over.
///
/// A record that the sink gets stays as it is until the sink has got the next one, which is decoded beside it.
///
/// Not shared between threads. Errors: throws Error (content) for a stream without a clock.

#include <babeltrace2/babeltrace.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tiffany/pal/record.hpp>
#include <unordered_map>

#include "event_plan.hpp"
#include "trace_facts.hpp"

namespace tiffany::ctf {

class Decoder {
  public:
    /// @param ticks  take the scheduler's ticks too
    Decoder(TraceSink& out, bool ticks);
    ~Decoder();
    Decoder(const Decoder&) = delete;
    Decoder& operator=(const Decoder&) = delete;

    void message(const bt_message* message);

    /// Adds to `events` those of provider tiffany: name -> how many; to `fields`: "task_sleep.colour" -> how many.
    void add_unknown(Counts& events, Counts& fields) const;
    std::uint64_t ticks_left_out() const { return ticks_left_out_; }

  private:
    struct Plan;
    struct Channel;
    struct Labels {
        std::string host;
        std::uint32_t pid = 0;  // as LTTng says; of a trace for each process only
    };

    void event(const bt_message* message);
    void discarded_events(const bt_message* message);
    void discarded_packets(const bt_message* message);
    void stream_begins(const bt_stream* stream);
    const Channel& channel_of(const bt_stream_class* stream_class);
    Plan& plan_of(const bt_event_class* event_class) {
        const Seen& seen = seen_of(event_class);
        return event_class == seen.event_class ? *seen.plan : find_plan(event_class);
    }
    Plan& find_plan(const bt_event_class* event_class);

    TraceSink& out_;
    const bool ticks_;
    std::uint64_t ticks_left_out_ = 0;  // events, two for each tick
    std::unordered_map<const bt_trace*, Labels> traces_;
    const bt_trace* last_trace_ = nullptr;
    const Labels* labels_ = nullptr;  // of last_trace_
    ProcessIds pids_;
    std::unordered_map<const bt_event_class*, std::unique_ptr<Plan>> plans_;
    std::unordered_map<const bt_stream_class*, std::unique_ptr<Channel>> channels_;
    /// The plans that were looked for last: by some bits of the class's address, because a hash takes as long as to
    /// decode.
    struct Seen {
        const bt_event_class* event_class = nullptr;
        Plan* plan = nullptr;
    };
    static constexpr std::size_t kSeen = 64;          // more than there are events
    static constexpr std::uintptr_t kAllocated = 64;  // bytes from one object of a class's size to the next, at least
    Seen& seen_of(const bt_event_class* event_class) {
        return seen_[reinterpret_cast<std::uintptr_t>(event_class) / kAllocated % kSeen];
    }
    std::array<Seen, kSeen> seen_{};
    /// Reused: its strings keep their room.
    struct Filled {
        pal::Record record;
        const bt_trace* trace = nullptr;  // whose host it has
        const Plan* plan = nullptr;       // whose values it has
    };
    void prepare(Filled& filled, const Plan& plan) const;
    std::array<Filled, 2> filled_;  // in turn
    Filled* last_filled_ = &filled_[0];
    Filled* next_filled_ = &filled_[1];
};

}  // namespace tiffany::ctf
