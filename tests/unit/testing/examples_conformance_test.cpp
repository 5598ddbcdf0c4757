// The scheduler of several threads in examples/ is held to the contract; the other one is in page_test.cpp.

#include <tiffany/testing/conformance_suite.hpp>

#include "example_drivers.hpp"

namespace tiffany::testing {
namespace {

[[maybe_unused]] const int shared_queue = register_conformance<SharedQueueDriver>("SharedQueue");

}  // namespace
}  // namespace tiffany::testing
