#pragma once
/// Holds what a task did against what it had to do, and says which hook is to blame. Private to testing.

#include <optional>
#include <string>
#include <tiffany/testing/recording.hpp>

#include "expectation.hpp"

namespace tiffany::testing {

struct Difference {
    std::string text;  ///< a sentence that names the task, the step and the hook
    bool in_fields;    ///< the events are those that were expected
};

/// The first one; nothing if there is none.
std::optional<Difference> first_difference(const Pattern& pattern, const TaskLife& life);

}  // namespace tiffany::testing
