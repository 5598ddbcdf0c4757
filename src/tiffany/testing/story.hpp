#pragma once
/// Records in words, for messages. Private to testing.

#include <cstddef>
#include <string>
#include <string_view>
#include <tiffany/pal/record.hpp>
#include <tiffany/testing/recording.hpp>

namespace tiffany::testing {

/// The hook that fires an event: "ready()".
std::string hook_of(TaskEvent event);
/// The same as the subject of a sentence: "the hook ready()".
std::string the_hook(TaskEvent event);

/// A number of a record's field as the log writes it: "timer", "1000000".
std::string value_of(const catalogue::EventInfo& event, std::string_view field, std::uint64_t number);
/// "Ready (cause timer, waker 0, late_ns 0)".
std::string describe(const pal::Record& record);

/// "task 'sleeper' (tid 7)"; "a task that was never spawned (tid 0)".
std::string who(const TaskLife& life);
/// "task 'sleeper' (tid 7), step 4"; of the step that would come next, if `index` is past the last one.
std::string where(const TaskLife& life, std::size_t index);
/// "; around: 2 Running (...), 3 Sleep (...), [4 Ready (...)], 5 Running (...)": what the task did near that step.
std::string around(const TaskLife& life, std::size_t index);

}  // namespace tiffany::testing
