#pragma once
/// Runs programs, and says what is wrong.

#include <chrono>
#include <string>

#include "../watcher.hpp"
#include "program.hpp"

namespace tiffany::testing {

/// How long a pool may take until it comes to rest. Shorter when a program is made smaller.
inline constexpr std::chrono::seconds kPatience{20};
inline constexpr std::chrono::seconds kPatienceAfterAFailure{2};

/// @param watcher  the installed sink
/// Returns what was wrong, a line each; empty: nothing.
std::string run_on_one_worker(const Program& program, Watcher& watcher);
std::string run_on_pool(const Program& program, Watcher& watcher, std::chrono::seconds patience);

}  // namespace tiffany::testing
