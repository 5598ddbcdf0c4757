#pragma once
/// Whether a runtime calls the hooks as the contract has it: each program is run by its driver, recorded in memory, and
/// held against what the program says.
///
///     MyDriver driver;
///     for (const std::string& finding : check_conformance(driver)) std::cerr << finding << '\n';
///
/// With GoogleTest: conformance_suite.hpp. A run takes the process's sink (install_sink).

#include <chrono>
#include <string>
#include <tiffany/testing/driver.hpp>
#include <tiffany/testing/program.hpp>
#include <tiffany/testing/recording.hpp>
#include <vector>

namespace tiffany::testing {

struct ConformanceOptions {
    /// How long a run may take before it is given up; only a runtime that loses a wake comes near.
    std::chrono::nanoseconds deadline{std::chrono::seconds{20}};
};

/// Why a driver cannot run a program: "the driver cannot: sleep, join"; empty if it can.
std::string cannot_run(const Driver& driver, const Program& program);

/// Runs one program and returns what is wrong, a line each; nothing if all is well. The first lines tell of tasks, by
/// the program's order, and name the hook; then come workers, and what the lifecycle checker says.
///
/// Errors: std::invalid_argument if the driver cannot run it, or if two tasks of it have one name.
std::vector<std::string> check_conformance(Driver& driver, const Program& program,
                                           const ConformanceOptions& options = {});

/// All of the suite's programs that the driver can run; each line begins with the program's name.
std::vector<std::string> check_conformance(Driver& driver, const ConformanceOptions& options = {});

/// The part that judges, for a run that was recorded already.
std::vector<std::string> judge(const Program& program, const Model& model, const Stage& stage, const Recording& run);

}  // namespace tiffany::testing
