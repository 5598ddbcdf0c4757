#include "lateness.hpp"

#include "story.hpp"

namespace tiffany::testing {
namespace {

constexpr bool is_cause(std::uint64_t value, WakeCause cause) {
    return value == static_cast<std::uint64_t>(cause);
}

/// The time-outs that end waits, in the order in which they do.
std::vector<std::uint64_t> timeouts_of(const Script& script) {
    std::vector<std::uint64_t> timeouts;
    for (const Step& step : script.steps)
        if (step.outcome == Outcome::timed_out) timeouts.push_back(static_cast<std::uint64_t>(step.timeout.count()));
    return timeouts;
}

}  // namespace

std::vector<std::string> check_lateness(const Script& script, const TaskLife& life) {
    std::vector<std::string> findings;
    const std::vector<std::uint64_t> timeouts = timeouts_of(script);
    std::size_t next_timeout = 0;
    for (std::size_t i = 1; i < life.steps.size(); ++i) {
        const pal::Record& ready = life.steps[i];
        if (ready.info->id != EventId::TaskReady) continue;
        const bool by_quota = is_cause(ready.number("cause"), WakeCause::quota);
        if (!by_quota && !is_cause(ready.number("cause"), WakeCause::timer)) continue;
        const pal::Record& suspension = life.steps[i - 1];
        std::uint64_t asked_ns = suspension.number(by_quota ? "park_ns" : "dur_ns");
        if (asked_ns == 0 && next_timeout < timeouts.size()) asked_ns = timeouts[next_timeout++];
        const std::uint64_t passed_ns = ready.ts_ns - suspension.ts_ns;
        const std::string at = where(life, i) + ": expected Ready ";
        if (passed_ns < asked_ns)
            findings.push_back(at + std::to_string(asked_ns) + " ns after " + std::string{suspension.info->name} +
                               ", found it after " + std::to_string(passed_ns) + " ns: " + the_hook(TaskEvent::Ready) +
                               " was called before the time was over" + around(life, i));
        else if (passed_ns - asked_ns != ready.number("late_ns"))
            findings.push_back(at + "(late_ns " + std::to_string(passed_ns - asked_ns) + "), found Ready (late_ns " +
                               std::to_string(ready.number("late_ns")) + "): " + the_hook(TaskEvent::Ready) +
                               " was called with another late_ns" +
                               (by_quota ? ", or " + the_hook(TaskEvent::Throttled) + " with another park_ns" : "") +
                               around(life, i));
    }
    return findings;
}

}  // namespace tiffany::testing
