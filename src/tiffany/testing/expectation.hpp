#pragma once
/// From a program to the hooks that each of its tasks must fire. Private to testing.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <tiffany/testing/driver.hpp>
#include <tiffany/testing/program.hpp>
#include <vector>

namespace tiffany::testing {

/// A condition on one field of an event.
struct Wanted {
    std::string_view field;
    std::vector<std::uint64_t> any_of = {};  ///< a number: one of these, unless it is empty
    std::uint64_t at_least = 0;              ///< a number
    std::uint64_t at_most = ~std::uint64_t{0};
    bool is_text = false;
    std::string text = {};
};

struct Expected {
    TaskEvent event = TaskEvent::Spawned;
    std::vector<Wanted> fields = {};
};

struct Node;
using Pattern = std::vector<Node>;

/// One event, or a choice between sequences that differ in their first event.
struct Node {
    Expected one;
    std::vector<Pattern> alternatives;  ///< empty: it is `one`
    bool repeats = false;               ///< any number of them, none too
};

/// Who is who in a run.
struct Cast {
    std::vector<std::uint64_t> tids;    ///< by the program's tasks; 0: it was not spawned
    std::vector<std::uint64_t> groups;  ///< the number of each task's group
    std::vector<std::uint64_t> fds;     ///< by pipe
    std::vector<std::string> sites;     ///< by task
};

Pattern pattern_of(const Program& program, const Model& model, const Cast& cast, std::size_t task);

/// The sequence that a pattern means for a task that did `found`: each choice is made by what the task did there.
std::vector<Expected> linear(const Pattern& pattern, const std::vector<TaskEvent>& found);

}  // namespace tiffany::testing
