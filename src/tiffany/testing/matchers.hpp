#pragma once
/// GoogleTest matchers for what a ScopedSink recorded. A failure names the task, the step and the events around.
///
///     const Recording run = sink.recording();
///     EXPECT_THAT(run.task("sleeper"), EventsAre("Spawned", "Running", "Sleep", "Ready", "Running", "Done"));
///     EXPECT_THAT(run, LifecycleIsLegal());
///     EXPECT_THAT(run, RunsOneAtATime());
///     EXPECT_THAT(run, WaitsAtMost(10ms));
///     EXPECT_THAT(run, ReadyDelaysAtMost(1ms));

#include <gmock/gmock.h>

#include <chrono>
#include <functional>
#include <ostream>
#include <string>
#include <string_view>
#include <tiffany/testing/checks.hpp>
#include <tiffany/testing/recording.hpp>
#include <tiffany/tracepoints/catalogue.hpp>
#include <utility>
#include <vector>

namespace tiffany::testing {

/// How GoogleTest prints the values that failed: short, the explanation has the rest.
inline void PrintTo(const TaskLife& life, std::ostream* out) {
    *out << "task '" << life.name << "' (tid " << life.tid << ") with " << life.steps.size() << " steps";
}
inline void PrintTo(const Recording& run, std::ostream* out) {
    *out << "a run of " << run.records().size() << " records";
}

/// Holds if a check of checks.hpp finds nothing.
template <typename Value>
class CheckMatcher {
  public:
    using is_gtest_matcher = void;
    using Check = std::function<std::vector<std::string>(const Value&)>;

    CheckMatcher(std::string what, Check check) : what_{std::move(what)}, check_{std::move(check)} {}

    bool MatchAndExplain(const Value& value, std::ostream* explanation) const {
        constexpr std::size_t kMost = 10;
        const std::vector<std::string> findings = check_(value);
        if (explanation != nullptr) {
            for (std::size_t i = 0; i < findings.size() && i < kMost; ++i)
                *explanation << (i == 0 ? "" : "\n") << findings[i];
            if (findings.size() > kMost) *explanation << "\nand " << findings.size() - kMost << " more";
        }
        return findings.empty();
    }
    void DescribeTo(std::ostream* out) const { *out << what_; }
    void DescribeNegationTo(std::ostream* out) const { *out << "not: " << what_; }

  private:
    std::string what_;
    Check check_;
};

namespace detail {
inline std::string_view event_name(std::string_view name) {
    return label(event_named(name));
}
inline std::string_view event_name(TaskEvent event) {
    return label(event);
}
/// One that fails on a run without any record: a sink that came late must not pass.
inline CheckMatcher<Recording> matcher_of_run(std::string what, CheckMatcher<Recording>::Check check) {
    return {std::move(what), [check = std::move(check)](const Recording& run) {
                std::vector<std::string> findings = check_holds_events(run);
                return findings.empty() ? check(run) : findings;
            }};
}
}  // namespace detail

/// The task's transitions, by name ("Running") or by TaskEvent, are exactly these. Errors: std::invalid_argument, no
/// transition has that name; so a misspelt one fails within Not(), too.
template <typename... Events>
CheckMatcher<TaskLife> EventsAre(const Events&... events) {
    std::vector<std::string> names{std::string{detail::event_name(events)}...};
    std::string what = "did";
    for (const std::string& name : names)
        what += ' ' + name;
    return {what, [names = std::move(names)](const TaskLife& life) {
                return check_events(life, std::vector<std::string_view>{names.begin(), names.end()});
            }};
}

// All below fail on a recording that holds no event.

/// No worker runs two tasks at a time.
inline CheckMatcher<Recording> RunsOneAtATime() {
    return detail::matcher_of_run("runs one task at a time on each worker", check_one_running);
}

/// Ticks do not overlap, and runs lie in them, where a worker has any.
inline CheckMatcher<Recording> TicksAreNested() {
    return detail::matcher_of_run("has each run in a tick", [](const Recording& run) { return check_ticks(run); });
}

/// No worker runs a task, parks again or stops while it is parked.
inline CheckMatcher<Recording> ParksEnd() {
    return detail::matcher_of_run("does nothing on a worker that is parked", check_parks);
}

/// Workers are started and stopped, and no seq is missing.
inline CheckMatcher<Recording> WorkersAreWhole() {
    return detail::matcher_of_run("has workers that start, stop and miss no seq", check_workers);
}

/// From the moment a task first became not ready to its next run.
inline CheckMatcher<Recording> WaitsAtMost(std::chrono::nanoseconds most) {
    return detail::matcher_of_run("waits at most " + std::to_string(most.count()) + " ns",
                                  [most](const Recording& run) { return check_waits(run, most); });
}

/// From Ready to Running.
inline CheckMatcher<Recording> ReadyDelaysAtMost(std::chrono::nanoseconds most) {
    return detail::matcher_of_run("has ready delays of at most " + std::to_string(most.count()) + " ns",
                                  [most](const Recording& run) { return check_ready_delays(run, most); });
}

/// What `paltrace check` holds true; and nothing was lost.
inline CheckMatcher<Recording> LifecycleIsLegal() {
    return detail::matcher_of_run("is a legal run", check_lifecycle);
}

}  // namespace tiffany::testing
