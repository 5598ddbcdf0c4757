#include "diagnosis.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "story.hpp"

namespace tiffany::testing {
namespace {

using Kinds = std::vector<TaskEvent>;

Kinds kinds_of(const TaskLife& life) {
    Kinds kinds;
    for (const pal::Record& step : life.steps)
        kinds.push_back(static_cast<TaskEvent>(step.info->id));
    return kinds;
}

/// Where the two part; the longer one's length if one is the other's beginning, and nothing if they are the same.
std::optional<std::size_t> parting(const std::vector<Expected>& expected, const Kinds& found) {
    for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i)
        if (i >= expected.size() || i >= found.size() || expected[i].event != found[i]) return i;
    return std::nullopt;
}

/// What a runtime may have done wrong with one hook, wherever it calls it. In the order of preference.
enum class Fault : std::uint8_t { called_twice, left_out, too_late, in_place };
constexpr std::array kFaults = {Fault::called_twice, Fault::left_out, Fault::too_late, Fault::in_place};

struct Suspect {
    Fault fault = Fault::left_out;
    std::optional<TaskEvent> expected;  // nothing: the task had to do no more
    std::optional<TaskEvent> found;     // nothing: the task did no more
};

/// Undoes the fault at one place, if it is that which is wrong there.
bool undo(const Suspect& suspect, const std::vector<Expected>& expected, Kinds& found, std::size_t at) {
    const bool wants_it = suspect.expected && at < expected.size() && expected[at].event == *suspect.expected;
    const bool has_it = suspect.found && at < found.size() && found[at] == *suspect.found;
    const auto here = found.begin() + static_cast<std::ptrdiff_t>(at);
    switch (suspect.fault) {
        case Fault::called_twice:
            if (!has_it || at == 0 || found[at - 1] != *suspect.found) return false;
            found.erase(here);
            return true;
        case Fault::left_out:
            if (!wants_it) return false;
            found.insert(here, *suspect.expected);
            return true;
        case Fault::too_late:
            if (!wants_it || at + 1 >= found.size() || found[at + 1] != *suspect.expected) return false;
            std::swap(found[at], found[at + 1]);
            return true;
        case Fault::in_place:
            if (!wants_it || !has_it) return false;
            *here = *suspect.expected;
            return true;
    }
    return false;
}

/// How far the task did what it had to do if the fault is undone wherever it shows: at best all of it.
std::size_t explained(const Suspect& suspect, const Pattern& pattern, Kinds found) {
    std::size_t reached = 0;
    for (const std::size_t rounds = 2 * found.size() + 16;; ++reached) {  // each repair gets further, or it is no good
        const std::vector<Expected> expected = linear(pattern, found);
        const std::optional<std::size_t> at = parting(expected, found);
        if (!at) return ~std::size_t{0};
        if (*at < reached || reached > rounds) return reached;
        reached = *at;
        if (!undo(suspect, expected, found, reached)) return reached;
    }
}

std::string verdict(const Suspect& suspect) {
    switch (suspect.fault) {
        case Fault::called_twice:
            return the_hook(*suspect.found) + " was called twice";
        case Fault::left_out:
            if (!suspect.expected) return the_hook(*suspect.found) + " was called after the task's end";
            return the_hook(*suspect.expected) + " was not called";
        case Fault::too_late:
            return the_hook(*suspect.expected) + " was called too late, after " + hook_of(*suspect.found) +
                   " (first the hook, then publish the task)";
        case Fault::in_place:
            return the_hook(*suspect.found) + " was called in the place of " + hook_of(*suspect.expected);
    }
    return {};
}

std::string blame(const Pattern& pattern, const Kinds& found, const Suspect& seen) {
    Suspect best = seen;
    std::size_t best_reach = 0;
    for (const Fault fault : kFaults) {
        Suspect suspect = seen;
        suspect.fault = fault;
        Kinds copy = found;
        const std::size_t reach = explained(suspect, pattern, std::move(copy));
        const std::vector<Expected> expected = linear(pattern, found);
        copy = found;
        const std::size_t at = *parting(expected, found);
        if (!undo(suspect, expected, copy, at)) continue;  // it is not that
        if (reach <= best_reach) continue;
        best = suspect;
        best_reach = reach;
    }
    return verdict(best);
}

// ---- fields ----

const catalogue::FieldInfo* field_of(const catalogue::EventInfo& event, std::string_view name) {
    for (const catalogue::FieldInfo& field : event.fields)
        if (field.name == name) return &field;
    return nullptr;
}

bool holds(const Wanted& wanted, const pal::Record& record) {
    if (field_of(*record.info, wanted.field) == nullptr) return true;
    if (wanted.is_text) return record.text(wanted.field) == wanted.text;
    const std::uint64_t value = record.number(wanted.field);
    if (wanted.any_of.empty()) return value >= wanted.at_least && value <= wanted.at_most;
    return std::find(wanted.any_of.begin(), wanted.any_of.end(), value) != wanted.any_of.end();
}

std::string text_of(const Wanted& wanted, const catalogue::EventInfo& event) {
    std::string text{wanted.field};
    if (wanted.is_text) return text + " '" + wanted.text + "'";
    if (wanted.any_of.empty()) {
        text += " at least " + std::to_string(wanted.at_least);
        const bool bounded = wanted.at_most != Wanted{}.at_most;
        return bounded ? text + " and at most " + std::to_string(wanted.at_most) : text;
    }
    for (std::size_t i = 0; i < wanted.any_of.size(); ++i)
        text += (i == 0 ? " " : " or ") + value_of(event, wanted.field, wanted.any_of[i]);
    return text;
}

std::string value_text(const Wanted& wanted, const pal::Record& record) {
    std::string text{wanted.field};
    if (wanted.is_text) return text + " '" + std::string{record.text(wanted.field)} + "'";
    return text + " " + value_of(*record.info, wanted.field, record.number(wanted.field));
}

/// "Ready (cause timer)": what decides most of an event, its first wanted number or string.
std::string name_of(const Expected& expected) {
    const catalogue::EventInfo& event = catalogue::info(expected.event);
    const bool own = !expected.fields.empty() && expected.fields.front().at_least == 0 &&
                     (expected.fields.front().is_text || !expected.fields.front().any_of.empty());
    return std::string{event.name} + (own ? " (" + text_of(expected.fields.front(), event) + ")" : "");
}

/// Whether a field is what the hook was called with; the others are what it found.
bool is_argument(std::string_view field) {
    constexpr std::array kFound = {std::string_view{"run_ns"}, std::string_view{"ready_ns"},
                                   std::string_view{"wait_ns"}, std::string_view{"waited"},
                                   std::string_view{"from_state"}};
    return std::find(kFound.begin(), kFound.end(), field) == kFound.end();
}

std::string field_difference(const Wanted& wanted, TaskEvent event, const pal::Record& step) {
    const std::string name{step.info->name};
    return "expected " + name + " (" + text_of(wanted, *step.info) + "), found " + name + " (" +
           value_text(wanted, step) + "): " + the_hook(event) +
           (is_argument(wanted.field) ? " was called with another " + std::string{wanted.field}
                                      : " was called at another time than what it tells of");
}

}  // namespace

std::optional<Difference> first_difference(const Pattern& pattern, const TaskLife& life) {
    const Kinds found = kinds_of(life);
    const std::vector<Expected> expected = linear(pattern, found);
    if (const std::optional<std::size_t> at = parting(expected, found)) {
        Suspect seen;
        if (*at < expected.size()) seen.expected = expected[*at].event;
        if (*at < found.size()) seen.found = found[*at];
        return Difference{where(life, *at) + ": expected " + (seen.expected ? name_of(expected[*at]) : "nothing more") +
                              ", found " + (seen.found ? std::string{label(*seen.found)} : "nothing more") + ": " +
                              blame(pattern, found, seen) + around(life, *at),
                          false};
    }
    for (std::size_t i = 0; i < expected.size(); ++i) {
        if (life.steps[i].step != i + 1)
            return Difference{where(life, i) + ": expected step " + std::to_string(i + 1) + " of the task to be " +
                                  std::string{life.steps[i].info->name} + ": " + the_hook(expected[i].event) +
                                  " was called by two threads at once, or the task was published before it" +
                                  around(life, i),
                              false};
        for (const Wanted& wanted : expected[i].fields)
            if (!holds(wanted, life.steps[i]))
                return Difference{where(life, i) + ": " + field_difference(wanted, expected[i].event, life.steps[i]) +
                                      around(life, i),
                                  true};
    }
    return std::nullopt;
}

}  // namespace tiffany::testing
