#pragma once
/// The conformance suite as GoogleTest tests, one for each program. In one source file of a test program:
///
///     const int tests = tiffany::testing::register_conformance<MyDriver>("MyRuntime");
///
/// `--gtest_filter=MyRuntime.ASleepEndsByTheTimer` runs one of them. What the driver cannot do is skipped, with the
/// reason.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <tiffany/telemetry/spawn_info.hpp>
#include <tiffany/testing/conformance.hpp>
#include <utility>

namespace tiffany::testing {

/// One program, run by a driver of its own.
class ConformanceTest : public ::testing::Test {
  public:
    using MakeDriver = std::function<std::unique_ptr<Driver>()>;

    ConformanceTest(const Program& program, MakeDriver make_driver)
        : program_{program}, make_driver_{std::move(make_driver)} {}

    void TestBody() override {
        const std::unique_ptr<Driver> driver = make_driver_();
        if (const std::string why_not = cannot_run(*driver, program_); !why_not.empty()) GTEST_SKIP() << why_not;
        for (const std::string& finding : check_conformance(*driver, program_))
            ADD_FAILURE() << finding;
    }

  private:
    const Program& program_;
    MakeDriver make_driver_;
};

/// Registers a test for each of the suite's programs. Before RUN_ALL_TESTS: as the initial value of a variable.
/// Returns how many there are.
/// @param suite  name of the test suite
/// @param site   where it is registered, for reports
inline int register_conformance(const char* suite, const ConformanceTest::MakeDriver& make_driver,
                                Site site = Site::here()) {
    int count = 0;
    for (const Program& program : conformance_programs()) {
        ::testing::RegisterTest(suite, program.name.c_str(), nullptr, nullptr, site.file, static_cast<int>(site.line),
                                [&program, make_driver]() -> ConformanceTest* {
                                    return new ConformanceTest{program, make_driver};
                                });
        ++count;
    }
    return count;
}

/// The same for a driver that is made without arguments.
template <typename MyDriver>
int register_conformance(const char* suite, Site site = Site::here()) {
    return register_conformance(
        suite, [] { return std::make_unique<MyDriver>(); }, site);
}

}  // namespace tiffany::testing
