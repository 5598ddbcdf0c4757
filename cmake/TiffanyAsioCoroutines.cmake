# TIFFANY_ASIO_HAS_COROUTINES: whether Boost.Asio has co_spawn for this compiler. Wants the target Boost::headers.
include(CheckCXXSourceCompiles)
include(CMakePushCheckState)
cmake_push_check_state(RESET)
set(CMAKE_REQUIRED_FLAGS "${CMAKE_CXX20_STANDARD_COMPILE_OPTION}")
set(CMAKE_REQUIRED_LIBRARIES Boost::headers)
check_cxx_source_compiles("
#include <utility>
#include <boost/asio/detail/config.hpp>
#ifndef BOOST_ASIO_HAS_CO_AWAIT
#error none
#endif
int main() {}" TIFFANY_ASIO_HAS_COROUTINES)
cmake_pop_check_state()
