// The coroutine scheduler is held to the contract that every runtime is held to.

#include <tiffany/testing/conformance_suite.hpp>

#include "scheduler_driver.hpp"

namespace tiffany::testing {
namespace {

[[maybe_unused]] const int virtual_time = register_conformance<VirtualTimeDriver>("SchedulerOnAVirtualClock");
[[maybe_unused]] const int real_time = register_conformance<RealTimeDriver>("SchedulerOnTheSystemsClock");
[[maybe_unused]] const int scheduler_pool = register_conformance<PoolDriver>("SchedulerPool");

}  // namespace
}  // namespace tiffany::testing
