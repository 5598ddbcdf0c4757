#include "asio_driver.hpp"

#include <tiffany/testing/conformance_suite.hpp>

namespace tiffany::testing {
namespace {

[[maybe_unused]] const int event_tests = register_conformance<AsioEventDriver>("AsioEvents");
[[maybe_unused]] const int cancel_tests = register_conformance<AsioCancelDriver>("AsioCancellations");

}  // namespace
}  // namespace tiffany::testing
