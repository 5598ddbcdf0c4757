// The schedulers of several threads in examples/ are held to the contract; the callback queue is in page_test.cpp.

#include <tiffany/testing/conformance_suite.hpp>

#include "example_drivers.hpp"

namespace tiffany::testing {
namespace {

[[maybe_unused]] const int shared_queue = register_conformance<SharedQueueDriver>("SharedQueue");
[[maybe_unused]] const int work_stealing = register_conformance<WorkStealingDriver>("WorkStealing");

}  // namespace
}  // namespace tiffany::testing
