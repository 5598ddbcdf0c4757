#pragma once
/// A program's steps as coroutines.

#include <tiffany/scheduler/scheduler.hpp>
#include <vector>

#include "world.hpp"

namespace tiffany::testing {

Task<> run_task(World& world, Entry& self, const std::vector<Step>& steps, FrameCount);
Task<std::size_t> run_fork(World& world, Entry& self, const std::vector<Step>& steps, FrameCount);
/// Receives all that is in a channel, and closes it.
Task<> drain(World& world, std::size_t channel, FrameCount);

}  // namespace tiffany::testing
