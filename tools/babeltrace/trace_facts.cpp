#include "trace_facts.hpp"

#include <algorithm>
#include <functional>
#include <tiffany/tracepoints/catalogue.hpp>

#include "recording_name.hpp"

namespace tiffany::ctf {
namespace {

using catalogue::EventInfo;

bool is_transition(std::string_view event) {
    constexpr std::string_view kTransition = "task_";
    return event.starts_with(kProvider) && event.substr(kProvider.size()).starts_with(kTransition);
}

}  // namespace

void add_facts(TraceFacts& facts, std::span<const EventNames> streams, const std::string& session) {
    std::vector<bool> declared(kEvents, false);
    for (const EventNames& events : streams)
        for (const std::string_view name : events) {
            facts.tiffany = facts.tiffany || name.starts_with(kProvider) || name.starts_with(kTickProvider);
            if (!name.starts_with(kProvider)) continue;
            const EventInfo* info = catalogue::find_tracepoint("tiffany", name.substr(kProvider.size()));
            if (info != nullptr) declared[static_cast<std::size_t>(info->id)] = true;
        }
    facts.from_start = is_from_start(session);
    // in a recording of paltrace's nobody selects: what is missing there is missing for another reason
    facts.selection = facts.tiffany && !is_recording(session) &&
                      !std::all_of(declared.begin(), declared.begin() + kTransitions, std::identity{});
    if (facts.selection)
        for (const EventInfo& info : catalogue::events())
            if (declared[static_cast<std::size_t>(info.id)]) facts.events.emplace_back(info.tracepoint);
}

ChannelFacts channel_facts(std::span<const EventNames> streams, std::size_t index, bool ticks) {
    ChannelFacts facts;
    for (const std::string_view name : streams[index]) {
        facts.only_transitions = facts.only_transitions && is_transition(name);
        facts.others = facts.others || name.starts_with(kProvider) || (ticks && name.starts_with(kTickProvider));
        facts.transitions = facts.transitions || is_transition(name);
    }
    // of two channels with transitions one may have what the other discarded: then their counts are upper bounds
    for (std::size_t other = 0; other < streams.size(); ++other)
        if (other != index && std::ranges::any_of(streams[other], is_transition)) facts.only_transitions = false;
    return facts;
}

pal::Discarded ChannelFacts::discarded_events() const {
    pal::Discarded made;
    made.only_others = !transitions;
    made.only_transitions = only_transitions;
    made.end_ns = ~std::uint64_t{0};  // without times: it may explain any gap
    return made;
}

pal::Discarded ChannelFacts::discarded_packets() const {
    pal::Discarded made;
    made.only_others = !transitions;
    made.end_ns = ~std::uint64_t{0};
    made.counted = false;
    return made;
}

}  // namespace tiffany::ctf
