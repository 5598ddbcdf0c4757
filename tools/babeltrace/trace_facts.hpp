#pragma once
/// What the declarations of a trace say, whoever read them: what was recorded, and what a discarded event may have
/// been.

#include <span>
#include <string>
#include <string_view>
#include <tiffany/pal/loss.hpp>
#include <tiffany/pal/record.hpp>
#include <vector>

namespace tiffany::ctf {

inline constexpr std::string_view kProvider = "tiffany:";
inline constexpr std::string_view kTickProvider = "tiffany_tick:";

/// What a trace says of itself.
struct TraceFacts {
    bool tiffany = false;             ///< an event of ours is declared
    bool selection = false;           ///< some are, but not every transition, and the user chose them
    bool from_start = false;          ///< LTTng was there before the process: its first transition is to be here
    std::vector<std::string> events;  ///< which are, if it is a selection: tracepoint names
    std::string clock;                ///< "monotonic"; empty = not known
    std::string host;
    std::string name;  ///< babeltrace2's name for it, of LTTng's traces the session; empty = it has none
};

/// Where the decoded parts of one trace go.
class TraceSink {
  public:
    virtual ~TraceSink() = default;
    virtual void facts(const TraceFacts& facts) = 0;  ///< once for each trace, before anything else of it
    virtual void record(const pal::Record& record) = 0;
    virtual void discarded(const pal::Discarded& discarded) = 0;
};

/// The names of the events that one stream class declares.
using EventNames = std::vector<std::string_view>;

/// Fills in what the events' names and the session's say.
/// @param streams  of each stream class of the trace
/// @param session  LTTng's name for it
void add_facts(TraceFacts& facts, std::span<const EventNames> streams, const std::string& session);

/// What a stream class says about loss.
struct ChannelFacts {
    bool transitions = false;
    bool only_transitions = true;  ///< and no other channel has some
    bool others = false;           ///< events of ours that are none, and that are asked for

    bool matters() const { return transitions || others; }
    /// One of its discarded counts, to be completed: it may explain any gap.
    pal::Discarded discarded_events() const;
    pal::Discarded discarded_packets() const;
};

/// @param index  the stream class that is meant
/// @param ticks  take the scheduler's ticks too
ChannelFacts channel_facts(std::span<const EventNames> streams, std::size_t index, bool ticks);

}  // namespace tiffany::ctf
